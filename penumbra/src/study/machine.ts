import { availableParallelism, cpus, totalmem } from "node:os";
import * as torch from "@penumbra/torch";
import type { Machine } from "../results/index.ts";
import type { StudyConfig } from "./config/index.ts";
import { version } from "./version.ts";

/** Thrown when the configuration asks for a device that this machine does not have. */
export class DeviceError extends Error {
  override readonly name = "DeviceError";
}

/**
 * The devices that a study computes on, the first of them in its own process.
 * @throws DeviceError for a CUDA device that is not there
 */
export function settleDevices(wanted: StudyConfig["device"]): readonly [string, ...string[]] {
  const count = torch.cuda.deviceCount();
  const devices = [wanted].flat().map((name) => (name === "auto" ? (count > 0 ? "cuda" : "cpu") : name));
  const missing = devices.find(
    (device) => device.startsWith("cuda") && Number(device.split(":")[1] ?? 0) >= count,
  );
  if (missing === undefined) return devices as [string, ...string[]];
  throw new DeviceError(
    `The device ${missing} is not there: libtorch ${torch.version()} sees ${count === 0 ? "no CUDA device" : `CUDA devices 0 to ${count - 1}`}. Set "device" to cpu or auto, or run: penumbra doctor`,
  );
}

/**
 * Decides device, precision and threads once for the whole study, sets the threads, and says what was decided. Without
 * a number of threads there is one per core.
 *
 * @throws DeviceError for a CUDA device that is not there.
 */
export function settleMachine({
  device: wanted,
  precision,
  threads,
}: Pick<StudyConfig, "device" | "precision" | "threads">): Machine {
  const [device] = settleDevices(wanted);
  torch.setNumThreads(threads === 0 ? availableParallelism() : threads);
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown processor",
    cores: availableParallelism(),
    threads: torch.getNumThreads(),
    memoryBytes: totalmem(),
    device,
    ...settlePrecision(precision, device),
    node: process.versions.node,
    libtorch: torch.version(),
    penumbra: version,
  };
}

/** The precision that a study computes in on a device, and why. */
export function settlePrecision(
  wanted: StudyConfig["precision"],
  device: string,
): Pick<Machine, "precision" | "precisionReason"> {
  const { dtype, reason } = torch.resolvePrecision(wanted, device);
  return { precision: PRECISION_NAMES[dtype], precisionReason: reason };
}

/** The machine with another number of threads, which is set. */
export function withThreads(machine: Machine, threads: number): Machine {
  torch.setNumThreads(threads);
  return { ...machine, threads: torch.getNumThreads() };
}

const PRECISION_NAMES = { float32: "fp32", bfloat16: "bf16", float16: "fp16" } as const;
