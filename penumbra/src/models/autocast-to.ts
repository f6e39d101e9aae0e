import { autocast, type Precision } from "@penumbra/torch";

/** Runs a synchronous function. */
export type Compute = <T>(fn: () => T) => T;

/** Networks in bf16 or fp16 where that was resolved for the device, as they are otherwise. */
export function autocastTo(device: string, dtype: Precision["dtype"]): Compute {
  const kind = device.replace(/:.*/, "");
  return dtype === "float32" ? (fn) => fn() : (fn) => autocast({ device: kind, dtype }, fn);
}
