import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { findCompiler } from "./build.ts";
import { assertWritable, cacheFolder } from "./cache.ts";
import { type CpuFeatures, cpuFeatures } from "./cpu.ts";
import { LibraryError } from "./error.ts";
import { findPip } from "./fetch.ts";
import { planBuild } from "./key.ts";
import { ASK_DOCTOR, findAddon } from "./load.ts";
import { type Libtorch, locate, type Place, searchPlaces } from "./locate.ts";
import { hasNvidiaDriver } from "./nvidia.ts";
import { type Precision, resolvePrecision } from "./precision.ts";
import { buildRecord, builtFolder } from "./record.ts";

/** A part that works, with what there is to say about it, or the failure and its remedies. */
export type Finding<T> = ({ readonly ok: true } & T) | Failure;

interface Failure {
  readonly ok: false;
  readonly problem: string;
  readonly remedies: readonly string[];
}

/** What `doctor` found: every place looked at, what was chosen, and what this machine can do. */
export interface Diagnosis {
  readonly ok: boolean;
  readonly platform: { readonly system: string; readonly node: string; readonly nodeApi: string };
  readonly processor: CpuFeatures & { readonly cores: number; readonly memoryBytes: number };
  readonly cache: Finding<{ readonly path: string }>;
  readonly places: readonly Place[];
  readonly libtorch: Libtorch | undefined;
  /** The Python that setup would fetch libtorch with; undefined where no libtorch is wanted. */
  readonly python: Finding<{ readonly path: string }> | undefined;
  /** With the flags for this libtorch, where there is one. */
  readonly compiler: Finding<{ readonly version: string; readonly flags: readonly string[] }>;
  readonly addon: Finding<{ readonly path: string }>;
  readonly engine: Finding<EngineFacts>;
  /** Undefined as long as the engine does not run. */
  readonly cuda: Finding<object> | undefined;
  readonly precision: Readonly<Record<string, Precision>>;
}

interface EngineFacts {
  readonly version: string;
  /** The widest kernels that libtorch chose for this processor, for example "AVX512". */
  readonly cpuCapability: string;
  readonly threads: number;
  readonly devices: readonly string[];
  /** Why CUDA's part of libtorch is not loaded; empty where it is. */
  readonly cudaProblem: string;
  /** libtorch's own account of how it was compiled. */
  readonly config: string;
}

/** What the compiler has to know before there is a libtorch that says it. */
const NEWEST = { version: "2.12 and newer", cxxStandard: 20 } as const;

/** Looks at everything and throws nothing: what fails is part of the answer, with its remedies. */
export async function diagnose(env: NodeJS.ProcessEnv = process.env): Promise<Diagnosis> {
  const places = searchPlaces(env);
  const located = await attempt(() => ({ libtorch: locate(env) }));
  const libtorch = located.ok ? located.libtorch : undefined;
  const features = cpuFeatures();
  const addon = await attempt(() => ({ path: findAddon(env).path }));
  const engine = addon.ok ? await attempt(engineFacts) : addon;
  const hasCuda = engine.ok && engine.devices.some((device) => device.startsWith("cuda"));
  return {
    ok: addon.ok && engine.ok,
    platform: {
      system: `${process.platform} ${process.arch}`,
      node: process.versions.node,
      nodeApi: process.versions.napi ?? "",
    },
    processor: { ...features, cores: availableParallelism(), memoryBytes: totalmem() },
    cache: await attempt(() => {
      const path = cacheFolder(env);
      assertWritable(path);
      return { path };
    }),
    places,
    libtorch,
    python: located.ok && !libtorch ? await attempt(() => ({ path: findPip(env) })) : undefined,
    compiler: await attempt(() => {
      if (!libtorch) return { version: findCompiler(NEWEST, env).version, flags: [] };
      const plan = planBuild(libtorch, env);
      // What the addon was compiled with; when there is none yet, the compiler that would be used.
      const version =
        buildRecord(builtFolder(plan) ?? plan.folder)?.compiler ?? findCompiler(libtorch, env).version;
      return { version, flags: plan.compileFlags };
    }),
    addon,
    engine,
    cuda: engine.ok && libtorch ? cudaFinding(libtorch, engine) : undefined,
    precision: {
      cpu: resolvePrecision("auto", "cpu", features),
      ...(hasCuda ? { cuda: resolvePrecision("auto", "cuda", features) } : {}),
    },
  };
}

/** The diagnosis as lines for people. */
export function describeDiagnosis(diagnosis: Diagnosis): string {
  const { platform, processor, cache, places, libtorch, python, compiler, addon, engine, cuda, precision } =
    diagnosis;
  const has = (name: string, flag: boolean): string => `${flag ? "✓" : "–"} ${name}`;
  const features = [
    has("AVX2", processor.avx2),
    has("AVX-512", processor.avx512),
    has("AVX512-BF16", processor.avx512bf16),
    has("AMX-BF16", processor.amxBf16),
  ];
  const lines = [
    `System      ${platform.system}, Node ${platform.node} (Node-API ${platform.nodeApi})`,
    `Processor   ${processor.model}, ${processor.cores} cores, ${(processor.memoryBytes / 2 ** 30).toFixed(0)} GiB`,
    `            ${features.join("  ")}`,
    ...(cache.ok ? [`Cache       ${cache.path}`] : failure("Cache", cache)),
    "Looked for libtorch in",
    ...places.map((place) => {
      const mark = place.libtorch && place.libtorch.root === libtorch?.root ? "→" : " ";
      return `  ${mark} ${place.name.padEnd(15)}${place.path ? `${place.path}: ` : ""}${place.finding}`;
    }),
    ...(libtorch
      ? [
          `libtorch    ${libtorch.version}, ${libtorch.hasCuda ? "a CUDA build" : "a CPU build"}, C++${libtorch.cxxStandard}, string ABI ${libtorch.cxx11Abi}`,
        ]
      : []),
    ...(python?.ok ? [`Python      ${python.path}, with pip to fetch libtorch`] : []),
    ...(python && !python.ok ? failure("Python", python) : []),
    ...(compiler.ok ? [`Compiler    ${compiler.version}`] : failure("Compiler", compiler)),
    ...(compiler.ok && compiler.flags.length > 0 ? [`            ${optionsOf(compiler.flags)}`] : []),
    ...(addon.ok ? [`Addon       ${addon.path}`] : failure("Addon", addon)),
  ];
  if (engine.ok) {
    const built = engine.config.split("\n").map((line) => line.replace(/^\s*-?\s*/, ""));
    lines.push(
      `Engine      libtorch ${engine.version} runs; kernels for ${engine.cpuCapability}; threads: ${engine.threads}`,
      `Devices     ${engine.devices.join(", ")}`,
      ...(cuda && !cuda.ok ? failure("CUDA", cuda, "–") : []),
      `Built with  ${built.filter((line) => /^(GCC|C\+\+|Intel|OpenMP|LAPACK|CUDA|CuDNN|NVCC)/.test(line)).join("; ")}`,
    );
  } else if (addon.ok) {
    lines.push(...failure("Engine", engine));
  }
  for (const [device, { dtype, reason }] of Object.entries(precision)) {
    lines.push(`Precision   auto on ${device} is ${dtype} (${reason})`);
  }
  return `${lines.join("\n")}\n`;
}

/** The compiler's flags without the folders to include. */
function optionsOf(flags: readonly string[]): string {
  return flags.filter((flag) => flag.startsWith("-") && !/^-(I|isystem)/.test(flag)).join(" ");
}

function failure(name: string, { problem, remedies }: Failure, mark = "✗"): string[] {
  const shown = remedies.filter((remedy) => remedy !== ASK_DOCTOR);
  return [`${name.padEnd(12)}${mark} ${problem}`, ...shown.map((remedy) => `              - ${remedy}`)];
}

async function attempt<T extends object>(look: () => T | Promise<T>): Promise<Finding<T>> {
  try {
    return { ok: true, ...(await look()) };
  } catch (error) {
    if (error instanceof LibraryError) return { ok: false, problem: error.problem, remedies: error.remedies };
    return { ok: false, problem: error instanceof Error ? error.message : String(error), remedies: [] };
  }
}

async function engineFacts(): Promise<EngineFacts> {
  // Loads libtorch: only here, so that a machine without it gets a diagnosis too.
  const { cuda } = await import("../cuda/index.ts");
  const { version, information, getNumThreads } = await import("../system.ts");
  const { native } = await import("../tensor/native.ts");
  const { cpuCapability, config } = information();
  const names = nvidiaModels();
  const devices = Array.from({ length: cuda.deviceCount() }, (_, index) => {
    const name = names[index];
    return name ? `cuda:${index} (${name})` : `cuda:${index}`;
  });
  const cudaProblem = native.cudaProblem();
  return {
    version: version(),
    cpuCapability,
    threads: getNumThreads(),
    devices: ["cpu", ...devices],
    cudaProblem,
    config,
  };
}

/** Whether there is a CUDA device; where not, why, and how to get one. Its absence is no failure. */
function cudaFinding({ hasCuda, source, version }: Libtorch, engine: EngineFacts): Finding<object> {
  if (engine.devices.length > 1) return { ok: true };
  const not = (problem: string, ...remedies: string[]): Failure => ({ ok: false, problem, remedies });
  if (!hasCuda) {
    return not(
      "not in this build of libtorch, which is for the CPU alone.",
      "For an NVIDIA GPU fetch a CUDA build: `npx @penumbra/torch setup --index-url URL`, with the URL that pytorch.org's install page names.",
    );
  }
  if (!hasNvidiaDriver()) {
    return not(
      engine.cudaProblem,
      source === "cache"
        ? "For an NVIDIA GPU install its driver, then run setup again: it fetches what else is needed."
        : "For an NVIDIA GPU install its driver.",
    );
  }
  if (engine.cudaProblem === "") {
    return not(
      "loaded, but no device can be seen.",
      "Is CUDA_VISIBLE_DEVICES set to nothing? In a container, was the GPU passed to it?",
      "Is the driver older than this build's CUDA needs? `nvidia-smi` shows the newest CUDA that it serves.",
    );
  }
  return not(
    engine.cudaProblem,
    source === "cache"
      ? "`npx @penumbra/torch setup --with-cuda` fetches NVIDIA's libraries for this libtorch."
      : `\`pip install torch==${version.split("+")[0]}\` in that environment brings NVIDIA's libraries.`,
  );
}

/** The graphics processors' names as the driver tells them, without starting a process. */
function nvidiaModels(): string[] {
  const folder = "/proc/driver/nvidia/gpus";
  try {
    return readdirSync(folder).map((gpu) => {
      const information = readFileSync(join(folder, gpu, "information"), "utf8");
      return information.match(/^Model:\s*(.*)$/m)?.[1] ?? "";
    });
  } catch {
    return [];
  }
}
