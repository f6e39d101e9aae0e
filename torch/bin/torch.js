#!/usr/bin/env node
// `penumbra-torch setup | doctor`. Plain JavaScript, because it runs before anything is built. In a checkout the
// TypeScript sources run as they are, so that nothing stale ever runs; an installed package runs what was built.
import { existsSync } from "node:fs";

let entry = new URL("../dist/library/command.js", import.meta.url);
if (existsSync(new URL("../../package-lock.json", import.meta.url))) {
  const { register } = await import("tsx/esm/api");
  register();
  entry = new URL("../src/library/command.ts", import.meta.url);
}
const { command } = await import(entry.href);
process.exitCode = await command(process.argv.slice(2));
