import { join } from "node:path";
import { buildAddon } from "./build.ts";
import { LibraryError } from "./error.ts";
import { completeLibtorch, type FetchOptions, fetchLibtorch } from "./fetch.ts";
import { ADDON_FILE, planBuild } from "./key.ts";
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
import { platformName, thisPlatform } from "./platform.ts";
import { builtFolder, isBuilt } from "./record.ts";

const WITH_CUDA = "--with-cuda";
const COMPILE = "--compile";
const OWN_OPTIONS = [WITH_CUDA, COMPILE, FROM_ENVIRONMENT];

/**
 * Makes the engine ready: finds libtorch or fetches it, and compiles the addon where neither an earlier run nor the
 * platform's package of prebuilt ones has it. Does nothing, in a moment, when all is there.
 *
 * @param args pip's own options, passed through when libtorch is fetched; `--with-cuda` fetches NVIDIA's libraries
 *   for a CUDA build on a machine without NVIDIA's driver too; `--from-environment` chooses the torch of the active
 *   Python environment; `--compile` compiles the addon although a prebuilt one fits. What was chosen stays chosen until such an argument chooses anew
 * @param say is told in a few lines what is found and done
 * @throws LibraryError with the remedies when a step cannot be done
 */
export async function setup(
  args: readonly string[],
  say: (line: string) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Addon> {
  if (!thisPlatform().isTried)
    say(`${platformName()} is prepared and has not been tried: tell what you see.`);
  const options = {
    pipArgs: args.filter((arg) => !OWN_OPTIONS.includes(arg)),
    withCuda: args.includes(WITH_CUDA) || hasNvidiaDriver(),
  };
  const libtorch = args.includes(FROM_ENVIRONMENT)
    ? ofEnvironment(env)
    : await findOrFetch(options, say, env);
  choose(libtorch, env);
  const plan = planBuild(libtorch, env);
  const ready = args.includes(COMPILE) ? [plan.folder].find(isBuilt) : builtFolder(plan);
  const folder = ready ?? (await buildAddon(libtorch, say, env));
  if (ready === undefined) loadAddon(env);
  const state = ready === undefined ? "built" : ready === plan.folder ? "up to date" : "prebuilt";
  say(`Ready: libtorch ${libtorch.version} (${libtorch.source}: ${libtorch.root}), addon ${state}.`);
  return { libtorch, path: join(folder, ADDON_FILE) };
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
