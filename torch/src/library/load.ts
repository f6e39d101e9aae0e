import { dirname, join } from "node:path";
import { LibraryError } from "./error.ts";
import { ADDON_FILE, LOADER_FILE, planBuild } from "./key.ts";
import { type Libtorch, locate } from "./locate.ts";
import { missingNvidiaLibraries } from "./nvidia.ts";
import { packageRequire } from "./package.ts";
import { thisPlatform } from "./platform.ts";
import { addonBytes, builtFolder } from "./record.ts";

const RUN_SETUP = "Run `npm run setup` (in a project that uses the package: `npx @penumbra/torch setup`).";
/** The last remedy; `doctor` itself leaves it out. */
export const ASK_DOCTOR = "`npx @penumbra/torch doctor` lists every place looked at and what was found.";

/** What `loadAddon` will load: the libtorch, and the addon that fits it. */
export interface Addon {
  readonly libtorch: Libtorch;
  readonly path: string;
}

/**
 * Finds the addon for this libtorch and these sources: compiled by setup, or prebuilt. Starts no process.
 * @throws LibraryError when there is no libtorch, or no addon for it yet
 */
export function findAddon(env: NodeJS.ProcessEnv = process.env): Addon {
  const libtorch = locate(env);
  if (!libtorch) throw new LibraryError("libtorch was not found.", [RUN_SETUP, ASK_DOCTOR]);
  const plan = planBuild(libtorch, env);
  const folder = builtFolder(plan);
  if (folder !== undefined) return { libtorch, path: join(folder, ADDON_FILE) };
  const path = join(plan.folder, ADDON_FILE);
  const bytes = addonBytes(plan.folder);
  if (bytes !== undefined) {
    throw new LibraryError(
      `The addon "${path}" is damaged: it has ${bytes} bytes, not as many as were written.`,
      [`${RUN_SETUP} It links the addon anew.`, ASK_DOCTOR],
    );
  }
  throw new LibraryError(
    `The addon has not been built for libtorch ${libtorch.version} in "${libtorch.root}" (looked for "${path}"), and no prebuilt one fits.`,
    [RUN_SETUP, ASK_DOCTOR],
  );
}

/**
 * Loads the addon and with it libtorch, once a thread.
 * @returns the addon's exports, for the engine's core to type
 * @throws LibraryError when it is not there or the system cannot load it
 */
export function loadAddon(env: NodeJS.ProcessEnv = process.env): unknown {
  const { libtorch, path } = findAddon(env);
  try {
    const require = packageRequire();
    const loader = require(join(dirname(path), LOADER_FILE)) as { open(library: string): void };
    loader.open(join(libtorch.root, "lib", thisPlatform().libraryFile("torch_cpu")));
    return require(path) as unknown;
  } catch (error) {
    throw new LibraryError(
      `The addon "${path}" could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
      [
        ...nvidiaRemedy(libtorch),
        'If a library of libtorch is damaged ("file too short", "invalid ELF header"): remove it and install it again.',
        "If the message names a missing system library, install it; on Debian and Ubuntu `apt install libgomp1 libstdc++6`.",
        ASK_DOCTOR,
      ],
      { cause: error },
    );
  }
}

/** What to do where the CPU part of a CUDA build does not find the few of NVIDIA's libraries that it is linked to. */
function nvidiaRemedy({ root, source, version }: Libtorch): string[] {
  const missing = missingNvidiaLibraries(join(root, "lib"), "libtorch_cpu.so");
  if (missing.length === 0) return [];
  const what = `This is a CUDA build, and of NVIDIA's libraries even its CPU part needs ${missing.join(" and ")}.`;
  if (source === "cache") return [`${what} ${RUN_SETUP}`];
  return [
    `${what} \`pip install torch==${version.split("+")[0]}\` in that environment brings them; a CPU build does not need them.`,
  ];
}
