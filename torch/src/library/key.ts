import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { cacheFolder } from "./cache.ts";
import type { Libtorch } from "./locate.ts";
import { packageRequire, packageRoot } from "./package.ts";
import { platformName, thisPlatform } from "./platform.ts";

/** A source file with the flags that only it needs, and the object file that it becomes. */
export interface SourceFile {
  readonly source: string;
  readonly flags: readonly string[];
  readonly object: string;
}

/** Everything that decides what the compiled addon is: the compiler's arguments and the names of its outputs. */
export interface BuildPlan {
  readonly libtorch: Libtorch;
  /** The flags that decide what is made, the same on every machine. */
  readonly options: readonly string[];
  /** These, and the folders to include. */
  readonly compileFlags: readonly string[];
  readonly linkFlags: readonly string[];
  readonly sources: readonly SourceFile[];
  /** Opens libtorch before the addon is loaded. */
  readonly loader: string;
  /** Names the addon by all that decides it: the name of its folder in the cache and in a package of prebuilt ones. */
  readonly key: string;
  /** The folder of the addon that is compiled here. */
  readonly folder: string;
}

/** The files of an addon's folder. */
export const ADDON_FILE = "penumbra_torch.node";
export const LOADER_FILE = "loader.node";

/**
 * The build of the addon against a libtorch, by content: an object is named by its source, the headers that it
 * includes, the libtorch version without its build, the version of Node-API's headers and the flags; the addon by its objects. Neither
 * folders nor Node's version are part of a name: one addon serves every copy of a libtorch, moved or not, and every
 * Node. Cheap: it reads the package's sources and starts no process.
 */
export function planBuild(libtorch: Libtorch, env: NodeJS.ProcessEnv = process.env): BuildPlan {
  const native = join(packageRoot(), "native");
  const files = new Map(
    readdirSync(native, { recursive: true, encoding: "utf8" })
      .map((name) => name.replaceAll("\\", "/"))
      .filter((name) => /\.(cpp|h)$/.test(name))
      .sort()
      .map((name) => [name, readFileSync(join(native, name), "utf8")]),
  );
  const cache = cacheFolder(env);
  const platform = thisPlatform();
  const options = [
    `-std=c++${libtorch.cxxStandard}`,
    "-O2",
    ...platform.compileFlags,
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-DNDEBUG",
    // The finalizers that may run inside a synchronous loop are still experimental in Node-API.
    "-DNAPI_EXPERIMENTAL",
    "-DNODE_API_EXPERIMENTAL_NOGC_ENV_OPT_OUT",
    ...(platform.hasTwoStringLayouts ? [`-D_GLIBCXX_USE_CXX11_ABI=${libtorch.cxx11Abi}`] : []),
  ];
  const require = packageRequire();
  const headers = dirname(require.resolve("node-api-headers/package.json"));
  const { version: headersVersion } = require("node-api-headers/package.json") as { version: string };
  const circumstances = [platformName(), baseVersion(libtorch), headersVersion, ...options];
  const sources = [...files.keys()]
    .filter((name) => name.endsWith(".cpp") && name !== LOADER_SOURCE)
    .map((name) => {
      const inputs = [...includedFiles(name, files)].sort().flatMap((file) => [file, files.get(file)!]);
      const flags = name === "distributed.cpp" && libtorch.hasGloo ? ["-DPENUMBRA_GLOO"] : [];
      return {
        source: join(native, name),
        flags,
        object: join(
          cache,
          "objects",
          `${name.slice(0, -4)}-${hash([...circumstances, ...flags, ...inputs])}.o`,
        ),
      };
    });
  const loader = [LOADER_SOURCE, "shared-library.h"].map((name) => files.get(name) ?? "");
  const objects = sources.map(({ object }) => basename(object));
  const key = hash([...objects, ...loader, ...platform.linkFlags]);
  return {
    libtorch,
    options,
    compileFlags: [
      ...options,
      ...[`-I${native}`, "-isystem", join(headers, "include")],
      ...["-isystem", join(libtorch.root, "include")],
      ...["-isystem", join(libtorch.root, "include", "torch", "csrc", "api", "include")],
    ],
    // Neither libtorch_cuda nor libtorch, which needs it in a CUDA build: the addon loads CUDA where there is a driver.
    linkFlags: [...platform.linkFlags, `-L${join(libtorch.root, "lib")}`, "-lc10", "-ltorch_cpu"],
    sources,
    loader: join(native, LOADER_SOURCE),
    key,
    folder: join(cache, "addon", key),
  };
}

/** "2.13.0+cu130" -> "2.13.0": CPU and CUDA builds of a version have the same headers, but for CUDA's own. */
const baseVersion = ({ version }: Libtorch): string => version.replace(/\+.*/, "");

/** Compiled by itself: it is loaded before libtorch is. */
const LOADER_SOURCE = "loader/loader.cpp";

/** A source file and, transitively, the headers of this package that it includes. */
function includedFiles(
  name: string,
  files: ReadonlyMap<string, string>,
  seen = new Set<string>(),
): Set<string> {
  if (seen.has(name) || !files.has(name)) return seen;
  seen.add(name);
  for (const [, header] of files.get(name)?.matchAll(/^\s*#\s*include\s+"([^"]+)"/gm) ?? []) {
    if (header) includedFiles(header, files, seen);
  }
  return seen;
}

function hash(parts: readonly string[]): string {
  const digest = createHash("sha256");
  for (const part of parts) digest.update(part).update("\0");
  return digest.digest("hex").slice(0, 20);
}
