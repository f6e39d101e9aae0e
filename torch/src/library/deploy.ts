import { constants, cpSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { asideOf, assertFreeSpace, readableSize, writeWhole } from "./cache.ts";
import { LibraryError } from "./error.ts";
import { planBuild } from "./key.ts";
import { findAddon } from "./load.ts";
import type { Libtorch } from "./locate.ts";

/** Libraries of the wheel that Python or libtorch's own tests use, and nothing else does. */
const NOT_NEEDED = /python|_test|backend_with_compiler|global_deps|aoti_custom_ops|shm/;

/** What tells a libtorch's version, its C++ standard and whether it holds Gloo. */
const FACTS = [
  "version.py",
  "build-version",
  "share/cmake/Torch/TorchConfig.cmake",
  "share/cmake/Caffe2/Caffe2Targets.cmake",
];

/**
 * Copies what a program needs at run time, libtorch's libraries and the addon, into a folder that stands for itself:
 * with `PENUMBRA_CACHE` set to it, on any machine of the same platform and wherever it is put there, the engine runs,
 * without Python, pip and compiler.
 *
 * @param folder is made, and must not be there yet
 * @returns its path and its size in bytes
 * @throws LibraryError where the engine is not ready, the folder is there, or the disk is too small
 */
export function deploy(
  folder: string,
  env: NodeJS.ProcessEnv = process.env,
): { readonly path: string; readonly bytes: number } {
  const target = resolve(folder);
  if (existsSync(target)) {
    throw new LibraryError(`"${target}" is there already: nothing was written.`, [
      "Name a folder that is not there, or remove it.",
    ]);
  }
  const { libtorch, path } = findAddon(env);
  const copies = [...libraryFiles(libtorch), ...FACTS]
    .map((file) => [join(libtorch.root, file), join("torch", file)] as const)
    .concat(nvidiaFolder(libtorch))
    .filter(([from]) => existsSync(from));
  const bytes = copies.reduce((sum, [from]) => sum + sizeOf(from), sizeOf(dirname(path)));
  const aside = asideOf(target);
  assertFreeSpace(dirname(target), bytes, "libtorch's libraries");
  for (const [from, to] of copies) copy(from, join(aside, "libtorch", DEPLOYED, to));
  copy(dirname(path), join(aside, "addon", planBuild(libtorch, env).key));
  writeWhole(join(aside, "libtorch", "current"), `${DEPLOYED}\n`);
  renameSync(aside, target);
  return { path: target, bytes };
}

/** `penumbra-torch deploy FOLDER`. @throws LibraryError as `deploy`, and where no folder is named */
export function deployCommand(args: readonly string[], say: (line: string) => void): void {
  const [folder, ...rest] = args;
  if (folder === undefined || folder.startsWith("-") || rest.length > 0) {
    throw new LibraryError("`penumbra-torch deploy` needs the folder to make.", [
      "For example `penumbra-torch deploy /opt/penumbra`.",
    ]);
  }
  const { path, bytes } = deploy(folder);
  say(`Copied libtorch's libraries and the addon to ${path}: ${readableSize(bytes)}.`);
  say(`Where the program runs, wherever the folder is put: PENUMBRA_CACHE=${path}`);
}

const DEPLOYED = "deployed";

function libraryFiles({ root }: Libtorch): string[] {
  return readdirSync(join(root, "lib"), { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !NOT_NEEDED.test(entry.name))
    .map(({ name }) => join("lib", name));
}

/** NVIDIA's libraries lie beside torch, and a CUDA build looks for them there. */
function nvidiaFolder({ root }: Libtorch): (readonly [string, string])[] {
  return [[join(dirname(root), "nvidia"), "nvidia"]];
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true, dereference: true, mode: constants.COPYFILE_FICLONE });
}

function sizeOf(path: string): number {
  const found = statSync(path);
  if (!found.isDirectory()) return found.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}
