import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { type Libtorch, packageRoot } from "./locate.ts";

const require = createRequire(import.meta.url);

/** A source file with the flags that only it needs, and the object file that it becomes. */
export interface SourceFile {
  readonly source: string;
  readonly flags: readonly string[];
  readonly object: string;
}

/** Everything that decides what the compiled addon is: the compiler's arguments and the names of its outputs. */
export interface BuildPlan {
  readonly libtorch: Libtorch;
  readonly compileFlags: readonly string[];
  readonly linkFlags: readonly string[];
  readonly sources: readonly SourceFile[];
  /** Where the addon lies when it has been built from exactly these inputs. */
  readonly addon: string;
}

/**
 * The build of the addon against a libtorch, by content: an object is named by its source, the headers that it
 * includes, the libtorch version, the Node-API version and the flags; the addon by its objects and the folder
 * that it will load libtorch from. Cheap: it reads the package's sources and starts no process.
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
  const options = [
    `-std=c++${libtorch.cxxStandard}`,
    "-O2",
    "-fPIC",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-DNDEBUG",
    // The finalizers that may run inside a synchronous loop are still experimental in Node-API.
    "-DNAPI_EXPERIMENTAL",
    "-DNODE_API_EXPERIMENTAL_NOGC_ENV_OPT_OUT",
    `-D_GLIBCXX_USE_CXX11_ABI=${libtorch.cxx11Abi}`,
  ];
  const platform = [
    ...[libtorch.version, String(libtorch.hasCuda), process.arch, process.versions.napi ?? ""],
    ...[packageVersion("node-api-headers"), packageVersion("node-addon-api"), ...options],
  ];
  const sources = [...files.keys()]
    .filter((name) => name.endsWith(".cpp"))
    .map((name) => {
      const inputs = [...includedFiles(name, files)].sort().flatMap((file) => [file, files.get(file)!]);
      const flags = name === "distributed.cpp" && libtorch.hasGloo ? ["-DPENUMBRA_GLOO"] : [];
      return {
        source: join(native, name),
        flags,
        object: join(cache, "objects", `${name.slice(0, -4)}-${hash([...platform, ...flags, ...inputs])}.o`),
      };
    });
  const linkFlags = linkFlagsFor(libtorch);
  const key = hash([...sources.map((source) => source.object), ...linkFlags]);
  return {
    libtorch,
    compileFlags: [
      ...options,
      ...[`-I${native}`, "-isystem", packageFolder("node-api-headers", "include")],
      ...["-isystem", packageFolder("node-addon-api", "."), "-isystem", join(libtorch.root, "include")],
      ...["-isystem", join(libtorch.root, "include", "torch", "csrc", "api", "include")],
    ],
    linkFlags,
    sources,
    addon: join(cache, "addon", key, "penumbra_torch.node"),
  };
}

function linkFlagsFor(libtorch: Libtorch): string[] {
  const lib = join(libtorch.root, "lib");
  // Neither libtorch_cuda nor libtorch, which needs it in a CUDA build: the addon loads CUDA where there is a driver.
  return [`-L${lib}`, "-lc10", "-ltorch_cpu", `-Wl,-rpath,${lib}`];
}

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

function packageFolder(name: string, folder: string): string {
  return join(dirname(require.resolve(`${name}/package.json`)), folder);
}

function packageVersion(name: string): string {
  return (require(`${name}/package.json`) as { version: string }).version;
}
