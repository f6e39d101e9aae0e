import * as torch from "@penumbra/torch";
import { memory, Scope, scope, type Tensor, TorchError } from "@penumbra/torch";
import { beforeEach, expect, test } from "vitest";
import { collect } from "./collect.ts";

beforeEach(collect);

/** Thrown by tasks on purpose. */
class Planned extends Error {}

const pause = (random: torch.Random): Promise<void> =>
  random.uniform() < 0.5 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, random.int(3)));

/** What a task knows of its tensors: what has to live while it runs, and what has to be gone afterwards. */
class Task {
  readonly random: torch.Random;
  readonly depth: number;
  /** Made in the task's scope and not disposed by it. */
  readonly own = new Set<Tensor>();
  /** Taken out of the scope: the program disposes them at its end. */
  readonly kept: Tensor[];
  readonly open: Promise<unknown>[] = [];

  constructor(random: torch.Random, depth: number, kept: Tensor[]) {
    this.random = random;
    this.depth = depth;
    this.kept = kept;
  }

  check(): void {
    for (const tensor of this.own) expect(tensor.isDisposed).toBe(false);
  }

  made(tensor: Tensor): Tensor {
    this.own.add(tensor);
    return tensor;
  }

  pick(): Tensor | undefined {
    return this.own.size === 0 ? undefined : this.random.choice([...this.own]);
  }
}

/** What a task may do next. Some wait; some leave promises open, which the task joins at its end. */
const STEPS: Readonly<Record<string, (task: Task) => Promise<void> | void>> = {
  make: (task) => void task.made(torch.ones([1 + task.random.int(3)])),
  wait: ({ random }) => pause(random),
  call(task) {
    const x = task.pick() ?? torch.ones([2]);
    task.made(scope(() => scope(() => x.add(1)).mul(2)));
  },
  block(task) {
    using block = new Scope();
    task.made(block.release(torch.ones([2]).add(1)));
  },
  failingCall() {
    expect(() =>
      scope(() => {
        torch.ones([2]);
        throw new Planned();
      }),
    ).toThrow(Planned);
  },
  failingOperator: () => expect(() => scope(() => torch.ones([2]).mm(torch.ones([3])))).toThrow(TorchError),
  /** Misuse: tells so, and must harm nobody. */
  async blockThatAwaits({ random }) {
    const block = new Scope();
    torch.ones([2]);
    await pause(random);
    torch.ones([1]).dispose();
    expect(() => block[Symbol.dispose]()).toThrow(TorchError);
  },
  blocksOutOfOrder() {
    const [outer, inner] = [new Scope(), new Scope()];
    torch.ones([1]);
    expect(() => outer[Symbol.dispose]()).toThrow(/reverse order/);
    inner[Symbol.dispose]();
  },
  dispose(task) {
    const tensor = task.pick();
    if (!tensor) return;
    task.own.delete(tensor);
    tensor.dispose();
    tensor.dispose();
  },
  keep(task) {
    const tensor = task.pick();
    if (!tensor) return;
    task.own.delete(tensor);
    task.kept.push(tensor.keep());
  },
  /** Read on another thread, while the tensor may be disposed. */
  read(task) {
    const x = torch.full([50], 3);
    const reading = x.data().then((typed) => expect(typed[49]).toBe(3));
    task.open.push(reading);
    if (task.random.uniform() < 0.5) x.dispose();
    else task.made(x);
  },
  async give(task) {
    const given = torch.threads.give([torch.ones([2]), torch.ones([1])]);
    await pause(task.random);
    if (task.random.uniform() < 0.3) torch.threads.forget(given);
    else for (const tensor of torch.threads.take<Tensor[]>(given)) task.made(tensor);
  },
  differentiate() {
    const x = torch.ones([3]).requiresGrad_();
    const double = (v: Tensor) => v.mul(2);
    const doubled = torch.customFunction({ forward: double, backward: (g) => g!.mul(2) }, x);
    doubled.mul(x.exp()).sum().backward();
    expect(x.grad!.shape).toEqual([3]);
    x.grad!.dispose(); // gradients live on beside their leaves
  },
  async nested(task) {
    if (task.depth > 0) for (const tensor of await run(task)) task.made(tensor);
  },
  beside(task) {
    if (task.depth === 0) return;
    const joined = run(task).then((tensors) => {
      for (const tensor of tensors) task.made(tensor);
    });
    task.open.push(joined);
  },
  fail() {
    throw new Planned();
  },
};

/** Runs a task of random steps in an asynchronous scope; gives the tensors that it hands to the scope around it. */
async function run({
  random: outer,
  depth,
  kept,
}: Pick<Task, "random" | "depth" | "kept">): Promise<Tensor[]> {
  const random = new torch.Random(outer.int(2 ** 30));
  const task = new Task(random, depth - 1, kept);
  let handed: Tensor[] = [];
  try {
    const result = await scope(async () => {
      const names = Object.keys(STEPS);
      try {
        for (let i = random.int(12); i > 0; i--) {
          await STEPS[random.choice(names)]!(task);
          task.check();
        }
      } finally {
        await Promise.all(task.open); // else they would outlive their scope
      }
      task.check();
      handed = [...task.own].filter(() => random.uniform() < 0.4);
      return random.uniform() < 0.5 ? handed : new Map([["all", handed]]);
    });
    handed = result instanceof Map ? result.get("all")! : result;
  } catch (error) {
    if (!(error instanceof Planned)) throw error;
    handed = [];
  }
  for (const tensor of task.own) expect(tensor.isDisposed).toBe(!handed.includes(tensor));
  return handed;
}

test.each(Array.from({ length: 40 }, (_, seed) => seed))(
  "overlapping asynchronous scopes with errors and disposal in any order end with the tensors they began with (%i)",
  async (seed) => {
    const random = new torch.Random(seed);
    const before = memory();
    const kept: Tensor[] = [];
    const results = await Promise.all(
      Array.from({ length: 1 + random.int(12) }, () => run({ random, depth: 3, kept })),
    );
    for (const tensor of [...results.flat(), ...kept]) {
      expect(tensor.isDisposed).toBe(false);
      tensor.dispose();
    }
    expect(memory()).toEqual(before);
    using outside = torch.ones([1]); // and later tensors belong to no scope of before
    expect([outside.owner, outside.isDisposed]).toEqual([undefined, false]);
  },
);
