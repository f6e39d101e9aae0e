// `npm run setup [-- pip's own options]`: finds or fetches libtorch and compiles the addon.
process.argv.splice(2, 0, "setup");
await import("../bin/torch.js");
