#!/usr/bin/env node
// Starts the command line. In a checkout the TypeScript sources run as they are, so that nothing stale ever runs; an
// installed package runs what was built. All in this process: signals and exit codes are its own.
import { existsSync } from "node:fs";
import { register } from "node:module";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `Penumbra needs Node.js 20.19 or newer; this is ${process.versions.node}. Install a newer one.`,
  );
  process.exit(1);
}

const source = new URL("../src/cli/main.ts", import.meta.url);
const isCheckout = existsSync(new URL("../../package-lock.json", import.meta.url)) && existsSync(source);

if (isCheckout) {
  let tsx;
  try {
    tsx = await import("tsx/esm/api");
  } catch {
    console.error("The checkout's packages are not installed. Run: npm ci");
    process.exit(1);
  }
  tsx.register();
  // Registered last and so asked first: packages of this workspace resolve to their sources.
  register("./source-condition.js", import.meta.url);
  await import(source.href);
} else {
  await import(new URL("../dist/cli/main.js", import.meta.url).href);
}
