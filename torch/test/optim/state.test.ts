import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { manualSeed, memory, nn, optim, randn, safetensors, scope, type Tensor } from "../../src/index.ts";

manualSeed(0);
const x = randn([32, 6]);
const y = randn([32, 2]);
const folder = mkdtempSync(join(tmpdir(), "optim-"));
afterAll(() => rmSync(folder, { recursive: true }));

const makers = {
  "SGD with momentum": (params: Tensor[]) => new optim.SGD(params, { lr: 0.05, momentum: 0.9 }),
  Adam: (params: Tensor[]) => new optim.Adam(params, { lr: 0.01, amsgrad: true }),
  AdamW: (params: Tensor[]) => new optim.AdamW(optim.weightDecayGroups(params, 0.1), { lr: 0.01 }),
  LARS: (params: Tensor[]) => new optim.LARS(params, { lr: 1 }),
  "RMSprop, centered": (params: Tensor[]) =>
    new optim.RMSprop(params, { lr: 0.01, momentum: 0.5, centered: true }),
  Adagrad: (params: Tensor[]) => new optim.Adagrad(params, { initialAccumulator: 0.1 }),
  NAdam: (params: Tensor[]) => new optim.NAdam(params, { lr: 0.01 }),
  RAdam: (params: Tensor[]) => new optim.RAdam(params, { lr: 0.01 }),
  Adafactor: (params: Tensor[]) => new optim.Adafactor(params),
  Muon: (params: Tensor[]) => new optim.Muon(params.filter(({ ndim }) => ndim === 2)),
  LBFGS: (params: Tensor[]) =>
    new optim.LBFGS(params, { maxIterations: 2, historySize: 4, lineSearch: "strongWolfe" }),
};

function network(): nn.Sequential {
  manualSeed(1);
  return new nn.Sequential(new nn.Linear(6, 8), new nn.Tanh(), new nn.Linear(8, 2));
}

function train(
  model: nn.Module,
  optimizer: ReturnType<(typeof makers)[keyof typeof makers]>,
  steps: number,
): void {
  for (let step = 0; step < steps; step++) {
    scope(() => {
      const loss = () => model.forward(x).mseLoss(y);
      if (optimizer instanceof optim.LBFGS) return optimizer.step(loss);
      optimizer.zeroGrad();
      loss().backward();
      return optimizer.step();
    });
  }
}

describe.each(Object.entries(makers))("The state of %s", (name, make) => {
  test("written to a file and read into a new optimizer goes on bit for bit", () => {
    const whole = network();
    train(whole, make(whole.parameters()), 12);

    const first = network();
    const optimizer = make(first.parameters());
    train(first, optimizer, 7);
    const { tensors, ...rest } = optimizer.stateDict();
    const path = join(folder, `${name}.safetensors`);
    safetensors.write(path, tensors);

    const second = network();
    second.loadStateDict(first.stateDict());
    const restored = make(second.parameters());
    restored.loadStateDict({ ...JSON.parse(JSON.stringify(rest)), tensors: safetensors.read(path).tensors });
    train(second, restored, 5);
    for (const [key, tensor] of Object.entries(whole.stateDict())) {
      expect(tensor.equal(second.stateDict()[key]!), key).toBe(true);
    }
  });

  test("does not grow from step to step, and is released by dispose", () => {
    const model = network();
    const before = memory().tensors;
    const optimizer = make(model.parameters());
    train(model, optimizer, 8); // LBFGS has filled its history
    const after = memory().tensors;
    train(model, optimizer, 5);
    expect(memory().tensors).toBeLessThanOrEqual(after); // less where garbage of other tests was collected
    optimizer.zeroGrad();
    optimizer.dispose();
    expect(memory().tensors).toBeLessThanOrEqual(before);
  });
});

describe("A state is refused, and nothing changed,", () => {
  const state = () => {
    const model = network();
    const optimizer = makers.Adam(model.parameters());
    train(model, optimizer, 1);
    return optimizer.stateDict();
  };
  const other = () =>
    new optim.Adam(new nn.Sequential(new nn.Linear(6, 9), new nn.Linear(9, 2)).parameters());

  test("when it is of another kind of optimizer", () => {
    expect(() => makers.LARS(network().parameters()).loadStateDict(state())).toThrow(/the state is of Adam/);
  });

  test("when the groups do not fit", () => {
    const three = new optim.Adam(network().parameters().slice(1));
    expect(() => three.loadStateDict(state())).toThrow(/groups of 4 parameters.*of 3/);
  });

  test("when shapes do not fit", () => {
    const optimizer = other();
    expect(() => optimizer.loadStateDict(state())).toThrow(/"0\.expAvg" has the shape \[8,6\].*\[9,6\]/);
    expect(optimizer.stateDict().tensors).toEqual({});
    expect(optimizer.lr).toBe(1e-3);
  });
});

describe("A state that lacks single tensors is refused with their names", () => {
  const broken = (name: keyof typeof makers, drop: readonly string[]) => {
    const model = network();
    const trained = makers[name](model.parameters());
    train(model, trained, 3);
    const { tensors, ...rest } = trained.stateDict();
    const kept = Object.entries(tensors).filter(([key]) => !drop.includes(key));
    expect(kept).toHaveLength(Object.keys(tensors).length - drop.length);
    const other = makers[name](network().parameters());
    other.loadStateDict({ ...rest, tensors });
    return () => other.loadStateDict({ ...rest, tensors: Object.fromEntries(kept) });
  };

  test("moments and counts of Adam", () => {
    expect(broken("Adam", ["0.expAvgSq", "1.maxExpAvgSq", "3.step"])).toThrow(
      /the state lacks "0\.expAvgSq", "1\.maxExpAvgSq", "3\.step"/,
    );
    expect(broken("AdamW", ["2.expAvg"])).toThrow(/the state lacks "2\.expAvg"/);
  });

  test("pairs, direction and gradient of LBFGS", () => {
    expect(broken("LBFGS", ["history.0.step", "direction"])).toThrow(
      /the state lacks "history\.0\.step", "direction"/,
    );
    expect(broken("LBFGS", ["previousGradient"])).toThrow(/the state lacks "previousGradient"/);
  });

  test("while a parameter that never had a gradient needs none", () => {
    const [used, unused] = [randn([3]).requiresGrad_(), randn([3]).requiresGrad_()];
    const make = () => new optim.AdamW([used, unused], { lr: 0.01 });
    const optimizer = make();
    scope(() => used.sum().backward());
    optimizer.step();
    const state = optimizer.stateDict();
    expect(Object.keys(state.tensors)).toEqual(["0.expAvg", "0.expAvgSq", "0.step"]);
    expect(() => make().loadStateDict(state)).not.toThrow();
  });
});
