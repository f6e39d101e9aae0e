import { whereCalled } from "./call-site.ts";
import { native, synchronous } from "./tensor/index.ts";

export interface AnomalyOptions {
  /** A node of the backward pass that gives NaN is an error. Default true. */
  checkNan?: boolean;
}

/**
 * Runs a synchronous function so that errors of the backward pass say where they come from: the operator of the forward
 * pass, and the lines of code that called it. Both passes have to run inside. Each operator then notes its call, which
 * makes it many times slower: for looking for an error, not for training. The mode is libtorch's one for the process;
 * other threads that have never used it note nothing.
 *
 * @throws TorchError when `fn` is asynchronous; from backward passes whose nodes give NaN (unless `checkNan` is false),
 *   with `operator`
 * @example
 * torch.detectAnomaly(() => {
 *   const x = torch.zeros([1]).requiresGrad_();
 *   x.sqrt().mul(0).sum().backward(); // SqrtBackward0 gives NaN; its forward call was aten::sqrt, at this line
 * });
 */
export function detectAnomaly<T>(fn: () => T, { checkNan = true }: AnomalyOptions = {}): T {
  const before = native.setAnomalyMode(true, checkNan, whereCalled);
  try {
    return synchronous("detectAnomaly", fn());
  } finally {
    native.setAnomalyMode(before.enabled, before.checkNan, whereCalled);
  }
}
