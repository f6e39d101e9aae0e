import { buildAddon } from "./build.ts";
import { LibraryError } from "./error.ts";
import { completeLibtorch, type FetchOptions, fetchLibtorch } from "./fetch.ts";
import { planBuild } from "./key.ts";
import { type Addon, loadAddon } from "./load.ts";
import {
  choose,
  environmentPlaces,
  FROM_ENVIRONMENT,
  type Libtorch,
  locateAnew,
  searchPlaces,
} from "./locate.ts";
import { hasNvidiaDriver } from "./nvidia.ts";
import { isBuilt } from "./record.ts";

const WITH_CUDA = "--with-cuda";

/**
 * Makes the engine ready: finds libtorch or fetches it, and compiles the addon when its inputs have changed.
 * Does nothing, in a moment, when all is there.
 *
 * @param args pip's own options, passed through when libtorch is fetched; `--with-cuda` fetches NVIDIA's libraries
 *   for a CUDA build on a machine without NVIDIA's driver too; `--from-environment` chooses the torch of the active
 *   Python environment. What was chosen stays chosen until such an argument chooses anew
 * @param say is told in a few lines what is found and done
 * @throws LibraryError with the remedies when a step cannot be done
 */
export async function setup(
  args: readonly string[],
  say: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Addon> {
  assertPlatform();
  const options = {
    pipArgs: args.filter((arg) => arg !== WITH_CUDA && arg !== FROM_ENVIRONMENT),
    withCuda: args.includes(WITH_CUDA) || hasNvidiaDriver(),
  };
  const libtorch = args.includes(FROM_ENVIRONMENT)
    ? ofEnvironment(env)
    : await findOrFetch(options, say, env);
  choose(libtorch, env);
  const wasReady = isBuilt(planBuild(libtorch, env));
  const path = await buildAddon(libtorch, say, env);
  if (!wasReady) loadAddon(env);
  say(
    `Ready: libtorch ${libtorch.version} (${libtorch.source}: ${libtorch.root}), addon ${wasReady ? "up to date" : "built"}.`,
  );
  return { libtorch, path };
}

async function findOrFetch(
  options: FetchOptions,
  say: (line: string) => void,
  env: NodeJS.ProcessEnv,
): Promise<Libtorch> {
  const { pipArgs, withCuda } = options;
  const found = locateAnew(env);
  if (found && (pipArgs.length === 0 || found.source === "LIBTORCH")) {
    if (pipArgs.length > 0) {
      say(`pip's options are not used: LIBTORCH already gives libtorch ${found.version}.`);
    }
    if (found.source === "cache") await completeLibtorch(found, withCuda, say, env);
    return found;
  }
  if (!found) {
    say("No libtorch found in LIBTORCH, an active Python environment or the cache: fetching it with pip.");
    for (const { name, path, isPassedOver, finding } of searchPlaces(env)) {
      if (isPassedOver) say(`${name}: ${path}: ${finding}.`);
    }
  }
  return fetchLibtorch(options, say, env);
}

/** @throws LibraryError where no environment is active, or the active one has no torch that can be used */
function ofEnvironment(env: NodeJS.ProcessEnv): Libtorch {
  const places = environmentPlaces(env);
  const found = places.find(({ libtorch }) => libtorch)?.libtorch;
  if (found) return found;
  const findings = places.map(({ name, path, finding }) => `${name}${path ? ` (${path})` : ""}: ${finding}`);
  throw new LibraryError(`No active Python environment has a torch to choose: ${findings.join("; ")}.`, [
    "Activate the environment first, or name its torch folder with LIBTORCH.",
  ]);
}

function assertPlatform(): void {
  if (process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64")) return;
  throw new LibraryError(
    `The engine runs on Linux (x64, arm64); this is ${process.platform} ${process.arch}.`,
    ["On Windows use WSL 2, on macOS a Linux container or virtual machine."],
  );
}
