/** What every side computes: a network of three layers on one batch, fp32, with the same numbers everywhere. */
export const SIZES = [784, 512, 512, 10] as const;
export const BATCH = 64;
export const LR = 0.01;

/** Numbers that need no generator. */
export function wave(count: number, step: number, scale: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => scale * Math.sin(i * step + 1));
}

/** Weights [in, out], one for each layer; biases begin at 0. */
export const weights = (): Float32Array[] =>
  SIZES.slice(1).map((out, i) => wave(SIZES[i]! * out, 0.37 + i, 1 / Math.sqrt(SIZES[i]!)));
export const images = (): Float32Array => wave(BATCH * SIZES[0], 0.011, 1);
export const labels = (): number[] => Array.from({ length: BATCH }, (_, i) => i % SIZES[3]);

/** A library's form of it. */
export interface Side {
  /** Logits of the batch, summed with weights 1, 2, 3, …: what two libraries must agree on. */
  infer(): Promise<number> | number;
  /** One step of plain gradient descent on the mean cross-entropy; absent where a library does not train. */
  train?(): Promise<number> | number;
}

/** The sum that `infer` returns. */
export function checksum(logits: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i += 1) sum += logits[i]! * ((i % 7) + 1);
  return sum;
}
