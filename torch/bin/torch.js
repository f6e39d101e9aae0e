#!/usr/bin/env node
// `penumbra-torch setup | doctor`. Plain JavaScript: it runs before anything is built, on the published build
// or, where tsx is installed beside the sources, on these.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const built = new URL("../dist/library/command.js", import.meta.url);
let entry = built;
if (!existsSync(fileURLToPath(built))) {
  const { register } = await import("tsx/esm/api");
  register();
  entry = new URL("../src/library/command.ts", import.meta.url);
}
const { command } = await import(entry.href);
process.exitCode = await command(process.argv.slice(2));
