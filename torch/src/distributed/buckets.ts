import { keep, scope, type Tensor, zeros } from "../tensor/index.ts";
import type { PendingWork } from "./group.ts";

/** The first bucket is small, so that the exchange begins early. */
const FIRST_BUCKET_BYTES = 2 ** 20;

/** Gradients that are averaged in one message. */
export interface Bucket {
  /** Which parameters, by their position. */
  readonly members: readonly number[];
  /** All their gradients in a row. */
  readonly flat: Tensor;
  /** Views into `flat`, one for each member, in its shape. */
  readonly parts: readonly Tensor[];
  /** The members that have got their gradients in this backward pass. */
  readonly ready: Set<number>;
  work: PendingWork | undefined;
}

/**
 * Buckets of about `bucketBytes`, of one dtype and device each, filled from the last parameter to the first: about the
 * order in which backward reaches them.
 */
export function bucketsOf(parameters: readonly Tensor[], bucketBytes: number): Bucket[] {
  const closed: number[][] = [];
  const open = new Map<string, { members: number[]; bytes: number }>();
  for (let i = parameters.length - 1; i >= 0; i--) {
    const { dtype, device } = parameters[i]!;
    const kind = `${dtype} ${device}`;
    const bucket = open.get(kind) ?? { members: [], bytes: 0 };
    open.set(kind, bucket);
    bucket.members.push(i);
    bucket.bytes += parameters[i]!.numel * parameters[i]!.itemSize;
    if (bucket.bytes < (closed.length === 0 ? Math.min(FIRST_BUCKET_BYTES, bucketBytes) : bucketBytes))
      continue;
    closed.push(bucket.members);
    open.delete(kind);
  }
  return [...closed, ...[...open.values()].map(({ members }) => members)].map((members) => {
    const tensors = members.map((i) => parameters[i]!);
    const sizes = tensors.map((tensor) => tensor.numel);
    return scope(() => {
      const flat = keep(
        zeros([sizes.reduce((sum, size) => sum + size, 0)], {
          dtype: tensors[0]!.dtype,
          device: tensors[0]!.device,
        }),
      );
      const parts = flat.splitWithSizes(sizes).map((part, i) => keep(part.view(tensors[i]!.shape)));
      return { members, flat, parts, ready: new Set<number>(), work: undefined };
    });
  });
}
