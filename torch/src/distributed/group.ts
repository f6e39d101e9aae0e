import { customFunction, isGradEnabled, noGrad } from "../autograd.ts";
import { version } from "../system.ts";
import type { Communication, Tensor } from "../tensor/index.ts";
import { fromTyped, native, scope, zeros } from "../tensor/index.ts";
import { type LaunchEnvironment, launchEnvironment } from "./environment.ts";
import { DistributedError, explainFailure } from "./error.ts";

/** How the ranks' values become one; "mean" is the sum divided by the number of ranks. */
export type Reduction = "sum" | "mean" | "product" | "min" | "max" | "and" | "or" | "xor";

export interface ProcessGroupOptions {
  /** Where this process stands among the others. Default: what torchrun's environment variables say. */
  readonly place?: LaunchEnvironment;
  /** Limit of each operation, in ms. Default 30 minutes, as in PyTorch. */
  readonly timeoutMs?: number;
  /** Limit for finding each other, in ms. Default `timeoutMs`. */
  readonly joinTimeoutMs?: number;
  /**
   * Whether each call first compares with the other ranks what is called, with which shape and dtype. Without it a
   * difference ends the process (Gloo aborts) or hangs until the time limit. Default true.
   */
  readonly verify?: boolean;
}

/** What a rank calls, as it tells the others, is cut at this length. */
const SIGNATURE_BYTES = 96;
/** The largest int32, some 25 days. */
const MOST_MS = 2 ** 31 - 1;

/** Work that goes on in the background; `wait` returns when it is done. @throws DistributedError when it failed */
export interface PendingWork {
  wait(): void;
}

/**
 * Joins the processes that were started together, through libtorch's c10d with Gloo (tensors on the CPU). Returns when
 * all are there.
 *
 * @throws DistributedError when a variable is missing, the others do not come within the time limit, or libtorch was
 *   built without Gloo
 * @example
 * const group = torch.distributed.initProcessGroup({ timeoutMs: 60_000 });
 * const total = group.allReduce(torch.tensor([group.rank])); // [0 + 1 + … + (size - 1)] on every rank
 * group.close();
 */
export function initProcessGroup(options: ProcessGroupOptions = {}): ProcessGroup {
  return new ProcessGroup(options);
}

/** Groups that were not closed: the others rely on them, so the garbage collector must not end them. */
const open = new Set<ProcessGroup>();

/**
 * Processes that exchange tensors. Every rank must make the same calls in the same order, with tensors of the same
 * shape and dtype: a call returns when all have made it, and throws when one has ended or the time is over. After that
 * the group is of no more use.
 *
 * Methods with an underscore work in place, outside of differentiation. The others return new tensors and differentiate:
 * then backward communicates too, so every rank must run it.
 */
export class ProcessGroup {
  readonly rank: number;
  /** The number of processes. */
  readonly size: number;
  readonly localRank: number;
  readonly timeoutMs: number;
  readonly #verifies: boolean;
  readonly #native: Communication;
  #handle: object | undefined;
  #failure: DistributedError | undefined;

  constructor({
    place = launchEnvironment(),
    timeoutMs = 30 * 60_000,
    joinTimeoutMs = timeoutMs,
    verify = true,
  }: ProcessGroupOptions = {}) {
    const { rank, worldSize, localRank, masterAddress, masterPort, servesStore } = place;
    for (const [name, value] of Object.entries({ timeoutMs, joinTimeoutMs })) {
      if (Number.isInteger(value) && value >= 1 && value <= MOST_MS) continue;
      throw new DistributedError(
        `${name} is ${value}; it must be a whole number of milliseconds, from 1 to ${MOST_MS}.`,
      );
    }
    this.rank = rank;
    this.size = worldSize;
    this.localRank = localRank;
    this.timeoutMs = timeoutMs;
    this.#verifies = verify && worldSize > 1;
    this.#native = communication();
    try {
      this.#handle = this.#native.createGroup(
        ...([rank, worldSize, masterAddress, masterPort, servesStore] as const),
        networkInterface(masterAddress),
        joinTimeoutMs,
        timeoutMs,
      );
    } catch (error) {
      throw new DistributedError(
        `Rank ${rank} of ${worldSize} did not find the others at ${masterAddress}:${masterPort}. ${explainFailure(error, joinTimeoutMs)}`,
        { cause: error },
      );
    }
    open.add(this);
  }

  /** The reduction of all ranks' tensors, on every rank. Differentiable for "sum" and "mean". */
  allReduce(x: Tensor, reduction: Reduction = "sum"): Tensor {
    const reduce = (values: Tensor) => {
      const result = values.detach().clone();
      this.allReduce_(result, reduction);
      return result;
    };
    if (!isRecorded(x)) return reduce(x);
    if (reduction !== "sum" && reduction !== "mean") {
      throw new DistributedError(
        `allReduce: the reduction "${reduction}" has no gradient. Pass x.detach(), or use "sum" or "mean".`,
      );
    }
    return customFunction({ forward: reduce, backward: (gradient) => gradient && reduce(gradient) }, x);
  }

  /** Replaces the tensor's elements by the reduction of all ranks' tensors. Returns the tensor. */
  allReduce_(x: Tensor, reduction: Reduction = "sum"): Tensor {
    requireFraction(x, "allReduce", reduction);
    noGrad(() =>
      scope(() => {
        const whole = x.isContiguous() ? x : x.contiguous();
        this.#agree(`allReduce ${reduction}`, x);
        this.beginAllReduce(whole, reduction === "mean" ? "sum" : reduction).wait();
        if (reduction === "mean") whole.div_(this.size);
        if (whole !== x) x.copy_(whole);
      }),
    );
    return x;
  }

  /** Replaces the tensor's elements by those of the rank `from`. Returns the tensor. */
  broadcast_(x: Tensor, { from = 0 }: { from?: number } = {}): Tensor {
    if (!Number.isInteger(from) || from < 0 || from >= this.size)
      throw new DistributedError(`broadcast_: there is no rank ${from} among ${this.size}.`);
    noGrad(() =>
      scope(() => {
        const whole = x.isContiguous() ? x : x.contiguous();
        this.#agree(`broadcast_ from ${from}`, x);
        if (this.size > 1 && x.numel > 0)
          this.#begin("broadcast_", (n, group) => n.beginBroadcast(group, whole, from)).wait();
        if (whole !== x && this.rank !== from) x.copy_(whole);
      }),
    );
    return x;
  }

  /**
   * All ranks' tensors, one after the other along the first dimension: [N, …] -> [size N, …], and a scalar -> [size].
   * The gradient of a rank's part is the sum over all ranks of what they found for it.
   */
  allGather(x: Tensor): Tensor {
    const gather = (values: Tensor) =>
      scope(() => {
        const input = (values.ndim === 0 ? values.detach().unsqueeze(0) : values.detach()).contiguous();
        const [first = 0, ...rest] = input.shape;
        this.#agree("allGather", input);
        const output = zeros([first * this.size, ...rest], { dtype: input.dtype, device: input.device });
        if (input.numel > 0)
          this.#begin("allGather", (n, group) => n.beginAllGather(group, output, input)).wait();
        return output;
      });
    if (!isRecorded(x)) return gather(x);
    const shape = x.shape;
    return customFunction(
      { forward: gather, backward: (g) => g && this.reduceScatter(g.detach()).reshape(shape) },
      x,
    );
  }

  /**
   * This rank's part of the reduction of all ranks' tensors, which are cut along the first dimension:
   * [size N, …] -> [N, …]. Differentiable for "sum" and "mean".
   * @throws DistributedError when the first dimension is no multiple of the number of ranks
   */
  reduceScatter(x: Tensor, reduction: Reduction = "sum"): Tensor {
    const [first = 0, ...rest] = x.shape;
    if (x.ndim === 0 || first % this.size !== 0) {
      throw new DistributedError(
        `reduceScatter: a tensor of shape [${x.shape}] cannot be cut into ${this.size} equal parts along its first dimension. Pad it.`,
      );
    }
    requireFraction(x, "reduceScatter", reduction);
    const share = reduction === "mean" ? 1 / this.size : 1;
    const scatter = (values: Tensor) =>
      scope(() => {
        const input = values.detach().contiguous();
        this.#agree(`reduceScatter ${reduction}`, input);
        const output = zeros([first / this.size, ...rest], { dtype: input.dtype, device: input.device });
        const kind = reduction === "mean" ? "sum" : reduction;
        if (output.numel > 0)
          this.#begin("reduceScatter", (n, group) => n.beginReduceScatter(group, output, input, kind)).wait();
        return share === 1 ? output : output.mul_(share);
      });
    if (!isRecorded(x)) return scatter(x);
    if (reduction !== "sum" && reduction !== "mean") {
      throw new DistributedError(
        `reduceScatter: the reduction "${reduction}" has no gradient. Pass x.detach(), or use "sum" or "mean".`,
      );
    }
    return customFunction(
      { forward: scatter, backward: (g) => g && this.allGather(g.detach()).mul_(share) },
      x,
    );
  }

  /** Returns when every rank has come to it. */
  barrier(): void {
    this.#agree("barrier");
    this.#begin("barrier", (n, group) => n.beginBarrier(group)).wait();
  }

  /** Ends the connections. The group cannot be used afterwards. */
  close(): void {
    if (this.#handle) this.#native.closeGroup(this.#handle);
    this.#handle = undefined;
    open.delete(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * @internal `allReduce_` of a contiguous tensor in the background. The tensor must stay as it is until `wait` returns.
   */
  beginAllReduce(x: Tensor, reduction: Exclude<Reduction, "mean">): PendingWork {
    if (x.numel === 0) return { wait: () => {} };
    return this.#begin("allReduce", (n, group) => n.beginAllReduce(group, x, reduction));
  }

  /** @throws DistributedError on every rank when they do not call the same */
  #agree(call: string, x?: Tensor): void {
    if (!this.#verifies) return;
    const text = x ? `${call} ${x.dtype}[${x.shape}]` : call;
    const own = Buffer.alloc(SIGNATURE_BYTES);
    own.write(text);
    const all = scope(() => {
      const input = fromTyped(own, [SIGNATURE_BYTES]);
      const output = zeros([this.size * SIGNATURE_BYTES], { dtype: "uint8" });
      this.#begin(text, (n, group) => n.beginAllGather(group, output, input)).wait();
      return Buffer.from(output.toTyped().buffer);
    });
    const calls = Array.from({ length: this.size }, (_, rank) =>
      all.subarray(rank * SIGNATURE_BYTES, (rank + 1) * SIGNATURE_BYTES),
    );
    const other = calls.findIndex((bytes) => !bytes.equals(calls[0]!));
    if (other < 0) return;
    const words = (rank: number) => calls[rank]!.toString().replace(/\0+$/, "");
    throw new DistributedError(
      `The ranks do not call the same: rank 0 calls ${words(0)}, rank ${other} calls ${words(other)}. Every rank must make the same calls in the same order, with tensors of one shape and dtype.`,
    );
  }

  #begin(operation: string, begin: (native: Communication, group: object) => object): PendingWork {
    const handle = this.#handle;
    if (!handle) throw new DistributedError(`${operation}: the process group was closed.`);
    if (this.#failure) throw this.#failure;
    const failed = (cause: unknown) =>
      new DistributedError(
        `${operation} failed on rank ${this.rank} of ${this.size}. ${explainFailure(cause, this.timeoutMs)}`,
        { cause },
      );
    let work: object;
    try {
      work = begin(this.#native, handle);
    } catch (error) {
      throw failed(error); // of these arguments; the group itself is whole
    }
    const wait = () => {
      try {
        this.#native.wait(work);
      } catch (error) {
        this.#failure ??= failed(error);
        throw this.#failure;
      }
    };
    return { wait };
  }
}

const isRecorded = (x: Tensor): boolean => x.requiresGrad && isGradEnabled();

function requireFraction(x: Tensor, operation: string, reduction: Reduction): void {
  if (reduction !== "mean" || x.isFloatingPoint() || x.isComplex()) return;
  throw new DistributedError(
    `${operation}: ${x.dtype} cannot hold a mean. Convert the tensor to a floating dtype, or use "sum".`,
  );
}

/** Processes of one machine talk over its loopback; others over what GLOO_SOCKET_IFNAME names or the host's name leads to. */
function networkInterface(masterAddress: string): string {
  const named = process.env.GLOO_SOCKET_IFNAME;
  if (named) return named;
  return /^(localhost|127(\.\d+){3}|::1)$/.test(masterAddress) ? "@127.0.0.1" : "";
}

function communication(): Communication {
  if (native.createGroup !== undefined) return native as Communication;
  throw new DistributedError(
    `This libtorch (${version()}) was built without c10d and Gloo, so its processes cannot form a group. Use a wheel of PyTorch for Linux, which has both, or train in one process.`,
  );
}
