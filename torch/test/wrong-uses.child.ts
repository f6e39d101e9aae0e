/**
 * Uses layers, optimizers, indices, generators and files in wrong ways, in a process of its own: a crash ends it, and
 * the parent sees that. Usage: wrong-uses.child.ts SEED COUNT. Prints the name of each use before it runs.
 */
import { writeSync } from "node:fs";
import { tmpdir } from "node:os";
import * as torch from "@penumbra/torch";

const { nn, optim, scope, Tensor } = torch;
const [seed = 0, count = 2000] = process.argv.slice(2).map(Number);
const random = new torch.Random(torch.deriveSeed(seed, "wrong-uses"));

const disposed = torch.ones([2]);
disposed.dispose();

/** Values of every kind; the lists are made anew each time, because a use may change what it is given. */
const pools: readonly (() => unknown[])[] = [
  () => [undefined, null, 0, 1, 2, 3, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e9, 2 ** 53, 5n, 2n ** 70n],
  () => ["x", "", "...", "float32", "cpu", "meta", "cuda", "relu", Symbol("s"), true, new Date(), () => torch.ones([2])],
  () => [{}, [], [1], [0, 1], [[1], [2]], [null], new Array(5), new Map(), { dim: 1 }, { lr: 0.1 }, { lr: -1 }],
  () => [{ bias: false }, { groups: 0 }, { stride: 0 }, { padding: -1 }, { eps: -1, momentum: 3 }, { params: [] }],
  () => [new Float32Array(4), new Uint8Array(3), new BigInt64Array(2), new ArrayBuffer(8), torch.slice(-5, 9, 2)],
  () => [torch.ones([2, 3]), torch.ones([3, 3]), torch.ones([2, 3, 4, 4]), torch.zeros([0]), torch.ones([]), disposed],
  () => [torch.ones([2, 3]).requiresGrad_(), torch.ones([3], { dtype: "int64" }), torch.ones([2, 3], { dtype: "bool" })],
  () => [torch.ones([2], { dtype: "complex64" }), torch.ones([3, 3]).toSparse(), torch.ones([2], { device: "meta" })],
  () => [new torch.Generator({ seed: 1 }), new nn.Linear(3, 2), [nn.parameter(torch.ones([2]))], "/dev/null", tmpdir()],
  () => [Object.create(Tensor.prototype), new Proxy({}, {}), new optim.SGD([nn.parameter(torch.ones([2]))], { lr: 1 })],
]; // biome-ignore format: a table
const value = (): unknown => random.choice(random.choice(pools)());
const values = (most: number): unknown[] => Array.from({ length: random.int(most + 1) }, value);

type Free = (...args: unknown[]) => unknown;
const counts = { refused: 0, accepted: 0 };

/** Calls a member by its name, whatever it is; anything but an Error is a fault of the engine. */
function use(owner: object, name: string, args: unknown[]): unknown {
  writeSync(1, `${name}\n`);
  try {
    const result = (Reflect.get(owner, name) as Free).apply(owner, args);
    if (result instanceof Promise) result.catch(() => {});
    counts.accepted += 1;
    return result;
  } catch (error) {
    if (!(error instanceof Error)) throw new Error(`${name} threw ${String(error)}`);
    counts.refused += 1;
    return undefined;
  }
}

function construct(room: object, name: string): object | undefined {
  writeSync(1, `new ${name}\n`);
  try {
    return Reflect.construct(Reflect.get(room, name) as new () => object, values(4));
  } catch {
    counts.refused += 1;
    return undefined;
  }
}

/** Tries to set a property. */
function put(owner: object, name: string): void {
  use({ put: () => Reflect.set(owner, name, value()) }, "put", []);
}

const layers = Object.keys(nn).filter((name) => /^[A-Z]/.test(name) && !/Module$|Error$/.test(name));
const own = [
  "at",
  "setAt",
  "to",
  "item",
  "toTyped",
  "asTyped",
  "tolist",
  "backward",
  "detach",
  "keep",
  "dispose",
];
const functions = [
  "noGrad",
  "inferenceMode",
  "autocast",
  "backward",
  "grad",
  "customFunction",
  "checkpoint",
  "tensor",
];
const more = [
  "fromTyped",
  "full",
  "slice",
  "keep",
  "scope",
  "defaultGenerator",
  "call",
  "cat",
  "einsum",
  "where",
];

const kinds: readonly (() => void)[] = [
  () => {
    const tensor = value();
    if (!(tensor instanceof Tensor)) return;
    use(tensor, random.choice(own), values(3));
    put(tensor, random.choice(["grad", "requiresGrad"]));
    use(torch, "call", ["aten::resize_", tensor, [random.choice([1, 1e6, 1e13])]]);
    use(tensor, "toString", []);
  },
  () => {
    const layer = construct(nn, random.choice(layers));
    if (layer) for (const name of ["forward", "loadStateDict", "to", "forward"]) use(layer, name, values(2));
  },
  () => {
    const optimizer = construct(optim, random.choice(["SGD", "Adam", "AdamW", "LARS", "LBFGS", "Ema"]));
    if (!optimizer) return;
    for (const name of ["step", "loadStateDict", "update", "step"]) use(optimizer, name, values(2));
    put(optimizer, "lr");
  },
  () => {
    const parameter = nn.parameter(torch.ones([4]));
    const optimizer = new optim.AdamW([parameter]);
    put(parameter, "grad");
    use(parameter, "setData", [torch.ones([random.choice([1, 4, 4000])])]);
    use(optimizer, "step", []);
    use(optim, "clipGradNorm_", [[parameter], ...values(2)]);
  },
  () => {
    const generator = new torch.Generator({ seed: 2 });
    use(generator, random.choice(["setState", "manualSeed"]), values(1));
    use(nn.init, random.choice(Object.keys(nn.init)), values(3));
  },
  () => void use(torch.safetensors, random.choice(["read", "readHeader"]), values(2)),
  () => void use(torch, random.choice([...functions, ...more]), values(4)),
];

while (counts.refused + counts.accepted < count) scope(() => random.choice(kinds)());
if (torch.ones([2, 2]).mm(torch.ones([2, 2])).sum().item() !== 8) throw new Error("mm is wrong after the uses"); // biome-ignore format: one line
if (!torch.isGradEnabled()) throw new Error("a mode was left on");
writeSync(1, `done ${counts.refused} ${counts.accepted}\n`);
