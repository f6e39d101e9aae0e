import { createHash } from "node:crypto";
import { isGradEnabled, noGrad } from "../autograd.ts";
import { Module } from "../nn/module.ts";
import { cat, _foreachCopy_ as foreachCopy_, native, scope, type Tensor, tensor } from "../tensor/index.ts";
import { type Bucket, bucketsOf } from "./buckets.ts";
import { DistributedError } from "./error.ts";
import type { ProcessGroup } from "./group.ts";

export interface DataParallelOptions {
  /** Gradients are averaged in buckets of about this many bytes. Default 25 MiB, as in PyTorch. */
  readonly bucketBytes?: number;
  /** Whether rank 0's buffers (running statistics) replace the others' before each forward in training. Default true. */
  readonly broadcastBuffers?: boolean;
}

/**
 * Trains one network in several processes, each on its part of the batch (PyTorch's DistributedDataParallel): all begin
 * with rank 0's parameters and buffers, and backward ends with the mean of all ranks' gradients in `grad`. A bucket of
 * gradients is on its way while backward computes the next one (Li et al. 2020, "PyTorch Distributed").
 *
 * The mean over ranks of a loss that is itself a mean equals one process's loss on the whole batch when all parts have
 * the same size. The network's state dict is `module.stateDict()`.
 *
 * @throws DistributedError when the ranks' networks differ, or a parameter got no gradient in the backward pass before
 * @example
 * const group = torch.distributed.initProcessGroup();
 * const model = new torch.distributed.DataParallel(new Net(), group);
 * const optimizer = new torch.optim.SGD(model.parameters(), { lr: 0.1 });
 * for (const [x, y] of partOf(batches, group.rank)) {
 *   torch.scope(() => {
 *     optimizer.zeroGrad();
 *     model.forward(x).crossEntropyLoss(y).backward();
 *     optimizer.step();
 *   });
 * }
 */
export class DataParallel<Args extends unknown[], Out> extends Module<Args, Out> {
  readonly module: Module<Args, Out>;
  readonly #group: ProcessGroup;
  readonly #broadcastsBuffers: boolean;
  readonly #names: readonly string[];
  readonly #trained: readonly Tensor[];
  readonly #buckets: readonly Bucket[];
  /** For each trained parameter, its bucket. */
  readonly #bucketOf: readonly Bucket[];
  #launched = 0;
  #averages = true;

  constructor(
    module: Module<Args, Out>,
    group: ProcessGroup,
    { bucketBytes = 25 * 2 ** 20, broadcastBuffers = true }: DataParallelOptions = {},
  ) {
    super();
    this.module = module;
    this.#group = group;
    this.#broadcastsBuffers = broadcastBuffers;
    requireSameNetworks(module, group);
    broadcastAll([...module.parameters(), ...module.buffers()], group);
    const trained = module.namedParameters().filter(([, parameter]) => parameter.requiresGrad);
    this.#names = trained.map(([name]) => name);
    this.#trained = trained.map(([, parameter]) => parameter);
    this.#buckets = group.size > 1 ? bucketsOf(this.#trained, bucketBytes) : [];
    this.#bucketOf = this.#trained.map((_, i) => this.#buckets.find(({ members }) => members.includes(i))!);
    if (group.size > 1) native.onGradients(this.#trained, (i) => this.#hear(i));
  }

  forward(...args: Args): Out {
    if (this.training && isGradEnabled() && this.#averages) this.#requireFinished();
    if (this.training && this.#broadcastsBuffers) broadcastAll(this.module.buffers(), this.#group);
    return this.module.forward(...args);
  }

  /**
   * Runs `fn`, whose backward passes add to this rank's own gradients only. The next backward outside averages what has
   * gathered, so several small batches cost one exchange.
   */
  noSync<T>(fn: () => T): T {
    const before = this.#averages;
    this.#averages = false;
    try {
      return fn();
    } finally {
      this.#averages = before;
    }
  }

  /** Takes the averaging away and frees its buckets; the network itself stays. */
  detach(): void {
    if (this.#buckets.length > 0) native.onGradients(this.#trained, null);
    for (const { flat, parts } of this.#buckets) for (const each of [flat, ...parts]) each.dispose();
  }

  /** Parameter i has got its gradient. Buckets leave in their order, which is the same on every rank. */
  #hear(i: number): void {
    if (!this.#averages) return;
    const bucket = this.#bucketOf[i]!;
    if (bucket.ready.has(i)) {
      throw new DistributedError(
        `DataParallel: parameter "${this.#names[i]}" got a second gradient in one step. Use it in one checkpointed part only, and call backward once between two forwards, or within noSync().`,
      );
    }
    bucket.ready.add(i);
    for (
      let next = this.#buckets[this.#launched];
      next && next.ready.size === next.members.length;
      next = this.#buckets[this.#launched]
    ) {
      this.#launch(next);
      this.#launched++;
    }
    if (this.#launched === this.#buckets.length) native.afterBackward(() => this.#finish());
  }

  #launch(bucket: Bucket): void {
    noGrad(() =>
      scope(() => {
        foreachCopy_(bucket.parts, this.#gradientsOf(bucket));
        bucket.flat.div_(this.#group.size); // before the sum, which half precision might not hold
      }),
    );
    bucket.work = this.#group.beginAllReduce(bucket.flat, "sum");
  }

  #finish(): void {
    this.#launched = 0;
    noGrad(() =>
      scope(() => {
        for (const bucket of this.#buckets) {
          bucket.ready.clear();
          bucket.work?.wait();
          bucket.work = undefined;
          foreachCopy_(this.#gradientsOf(bucket), bucket.parts);
        }
      }),
    );
  }

  #gradientsOf({ members }: Bucket): Tensor[] {
    return members.map((i) => this.#trained[i]!.grad!);
  }

  #requireFinished(): void {
    if (this.#buckets.every(({ ready }) => ready.size === 0)) return;
    const missing = this.#names.filter((_, i) => !this.#bucketOf[i]!.ready.has(i));
    const listed = [...missing.slice(0, 5).map((name) => `"${name}"`), ...(missing.length > 5 ? ["…"] : [])];
    throw new DistributedError(
      `DataParallel: the last backward did not reach all parameters, so gradients were not averaged on rank ${this.#group.rank}: ${listed.join(", ")} got none. Every trained parameter must take part in the loss: freeze the others with requiresGrad = false before DataParallel is made.`,
    );
  }
}

/** Gives all ranks the tensors of rank 0, in one message for each dtype. */
function broadcastAll(tensors: readonly Tensor[], group: ProcessGroup): void {
  if (group.size === 1) return;
  noGrad(() => {
    for (const kind of new Set(tensors.map(kindOf))) {
      scope(() => {
        const alike = tensors.filter((tensor) => kindOf(tensor) === kind);
        const flat = group.broadcast_(cat(alike.map((tensor) => tensor.detach().flatten())));
        if (group.rank === 0) return;
        const parts = flat.splitWithSizes(alike.map((tensor) => tensor.numel));
        foreachCopy_(
          alike.map((tensor) => tensor.detach()),
          parts.map((part, i) => part.reshape(alike[i]!.shape)),
        );
      });
    }
  });
}

const kindOf = ({ dtype, device }: Tensor): string => `${dtype} ${device}`;

/** Ranks whose parameters differ in number, name, shape or dtype would wait for each other, or mix them up. */
function requireSameNetworks(module: Module<never[], unknown>, group: ProcessGroup): void {
  const lines = [...module.namedParameters(), ...module.namedBuffers()].map(
    ([name, { shape, dtype, requiresGrad }]) => `${name} ${dtype}[${shape}] ${requiresGrad}`,
  );
  const digest = createHash("sha256").update(lines.join("\n")).digest();
  const own = [0, 4, 8, 12].map((offset) => digest.readInt32LE(offset));
  scope(() => {
    const all = group.allGather(tensor([own], { dtype: "int32" })).toNumbers(); // [R 4]
    const digests = Array.from({ length: group.size }, (_, rank) =>
      String(all.slice(4 * rank, 4 * rank + 4)),
    );
    const others = digests.flatMap((each, rank) => (each === digests[0] ? [] : [rank]));
    if (others.length === 0) return;
    throw new DistributedError(
      `DataParallel: the network of rank ${others.join(", ")} differs from rank 0's in the names, shapes or dtypes of its parameters and buffers (rank ${group.rank} has ${lines.length}). Build the same network on every rank.`,
    );
  });
}
