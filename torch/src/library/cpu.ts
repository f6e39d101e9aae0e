import { readFileSync } from "node:fs";

/** What decides speed and precision on this processor. */
export interface CpuFeatures {
  /** The processor's name, as the system gives it. */
  readonly model: string;
  readonly avx2: boolean;
  readonly avx512: boolean;
  /** AVX512-BF16: bf16 products in vector registers. */
  readonly avx512bf16: boolean;
  /** AMX-BF16: bf16 products in tile registers. */
  readonly amxBf16: boolean;
  /** The BF16 instructions of 64-bit Arm. */
  readonly armBf16: boolean;
}

/** Reads the features from the text of `/proc/cpuinfo`; where there is none, everything is false. */
export function cpuFeatures(cpuinfo: string = readCpuinfo()): CpuFeatures {
  const field = (name: string): string => cpuinfo.match(new RegExp(`^${name}\\s*:\\s*(.*)$`, "m"))?.[1] ?? "";
  const flags = new Set(`${field("flags")} ${field("Features")}`.split(" "));
  return {
    model: field("model name") || "unknown processor",
    avx2: flags.has("avx2"),
    avx512: flags.has("avx512f"),
    avx512bf16: flags.has("avx512_bf16"),
    amxBf16: flags.has("amx_bf16"),
    armBf16: flags.has("bf16"),
  };
}

function readCpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}
