// Preloaded (`node --import`): the process is killed, as by `kill -9`, when half of a file is written whose path
// contains DIE_AMID. What it writes is looked up in /proc.
import fs from "node:fs";
import { open } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const isTheOne = (fd) => fs.readlinkSync(`/proc/self/fd/${fd}`).includes(process.env.DIE_AMID);
const halfOf = (content) => Buffer.from(content).subarray(0, Buffer.byteLength(content) / 2);
const die = () => process.kill(process.pid, "SIGKILL");

const { writeFileSync } = fs;
fs.writeFileSync = (file, content, ...rest) => {
  if (typeof file === "number" && isTheOne(file)) {
    writeFileSync(file, halfOf(content));
    die();
  }
  writeFileSync(file, content, ...rest);
};
syncBuiltinESMExports();

const handle = await open(new URL(import.meta.url));
const FileHandle = Object.getPrototypeOf(handle);
await handle.close();
const { writeFile } = FileHandle;
FileHandle.writeFile = async function (content, ...rest) {
  if (isTheOne(this.fd)) {
    await writeFile.call(this, halfOf(content));
    die();
  }
  return writeFile.call(this, content, ...rest);
};
