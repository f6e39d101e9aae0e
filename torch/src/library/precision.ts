import { type CpuFeatures, cpuFeatures } from "./cpu.ts";

export type PrecisionSetting = "auto" | "fp32" | "bf16" | "fp16";

/** A decision on precision and the sentence that explains it, for `doctor` and for every result. */
export interface Precision {
  readonly dtype: "float32" | "bfloat16" | "float16";
  readonly reason: string;
}

/** Limits on oneDNN's instructions (`ONEDNN_MAX_CPU_ISA`, `DNNL_MAX_CPU_ISA`) below AVX512-BF16; it ignores case. */
const BELOW_BF16 = /^(sse41|avx|avx2|avx2_vnni|avx2_vnni_2|avx512_core|avx512_core_vnni)$/i;

const DTYPES = { fp32: "float32", bf16: "bfloat16", fp16: "float16" } as const;

/**
 * The precision to compute in. `auto` asks the processor: bf16 pays only with AVX512-BF16 or AMX (a 3x3
 * convolution forward and backward ran at 360 GFLOP/s against 144 in fp32; with AVX2 alone at 4 against 43),
 * and only where oneDNN may use them: a process held to less (`DNNL_MAX_CPU_ISA=AVX2`) computes in fp32. On a CUDA
 * device `auto` is bf16. Every other setting is honoured as given.
 *
 * @param device "cpu", "cuda" or "cuda:0"
 */
export function resolvePrecision(
  setting: PrecisionSetting,
  device = "cpu",
  features: CpuFeatures = cpuFeatures(),
  env: NodeJS.ProcessEnv = process.env,
): Precision {
  if (setting !== "auto") return { dtype: DTYPES[setting], reason: `${setting} as set` };
  if (device.startsWith("cuda")) return { dtype: "bfloat16", reason: "bf16: the device is a CUDA device" };
  // As oneDNN reads them: the newer name first.
  const limit = ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"].find((name) => env[name]);
  if (limit !== undefined && BELOW_BF16.test(env[limit]!)) {
    return { dtype: "float32", reason: `fp32: ${limit}=${env[limit]} allows no bf16 instructions` };
  }
  if (features.amxBf16) return { dtype: "bfloat16", reason: "bf16: the processor has AMX-BF16" };
  if (features.avx512bf16) return { dtype: "bfloat16", reason: "bf16: the processor has AVX512-BF16" };
  return { dtype: "float32", reason: "fp32: the processor has neither AVX512-BF16 nor AMX-BF16" };
}
