import { describe, expect, test } from "vitest";
import { eye, nn, ones, optim, randn, scope, type Tensor, TorchError, zeros } from "../../src/index.ts";
import { difference, expectClose, fixture } from "../reference.ts";

interface Case {
  kind:
    | "SGD"
    | "Adam"
    | "AdamW"
    | "LARS"
    | "LBFGS"
    | "RMSprop"
    | "Adagrad"
    | "NAdam"
    | "RAdam"
    | "Adafactor"
    | "Muon";
  settings: { lr: number };
  losses: number[];
}

const { description, tensors } = fixture<{ cases: Case[] }>("optimizers");
const { x, y, weight, bias } = tensors as Record<"x" | "y" | "weight" | "bias", Tensor>;

const loss = (w: Tensor, b: Tensor): Tensor =>
  x.mm(w).add(b).tanh().sub(y).square().mean().add(w.pow(4).sum().mul(0.1));

describe("Optimizers take PyTorch's steps", () => {
  description.cases.forEach(({ kind, settings, losses }, number) => {
    test(`${kind} with ${JSON.stringify(settings)}`, () => {
      const [w, b] = [nn.parameter(weight.clone()), nn.parameter(bias.clone())];
      const optimizer = new optim[kind](kind === "Muon" ? [w] : [w, b], settings);
      // float64: the rounding of ten steps, with room for another order of summation. PyTorch keeps NAdam's running
      // product of momenta in float32, ours is in float64.
      const tolerance = kind === "NAdam" ? 1e-8 : 1e-10;
      for (const expected of losses) {
        const value = scope(() => {
          if (optimizer instanceof optim.LBFGS) return optimizer.step(() => loss(w, b));
          optimizer.zeroGrad();
          const current = loss(w, b);
          current.backward();
          optimizer.step();
          return current.item();
        });
        expect(Math.abs(value - expected)).toBeLessThan(tolerance * Math.abs(expected));
      }
      expectClose(w, tensors[`${number}.weight`]!, 10 * tolerance);
      expectClose(b, tensors[`${number}.bias`]!, 10 * tolerance);
    });
  });
});

describe("Parameter groups", () => {
  test("have settings of their own, and `lr` scales them all alike", () => {
    const [a, b] = [nn.parameter(ones([2])), nn.parameter(ones([2]))];
    const optimizer = new optim.SGD([{ params: [a] }, { params: [b], lr: 0.2, momentum: 0.9 }], { lr: 0.1 });
    expect(optimizer.groups.map(({ lr, momentum }) => [lr, momentum])).toEqual([
      [0.1, 0],
      [0.2, 0.9],
    ]);
    optimizer.lr = 0;
    optimizer.lr = 0.5;
    expect(optimizer.groups.map(({ lr }) => lr)).toEqual([0.5, 1]);
    scope(() => a.add(b).sum().backward());
    optimizer.step();
    expect([...a.toNumbers(), ...b.toNumbers()]).toEqual([0.5, 0.5, 0, 0]);
  });

  test("come from dimensions: matrices decay, biases do not", () => {
    const model = new nn.Sequential(new nn.Linear(2, 3), new nn.LayerNorm(3));
    const groups = optim.weightDecayGroups(model.parameters(), 0.3);
    expect(groups.map(({ params, weightDecay }) => [params.length, weightDecay])).toEqual([
      [1, 0.3],
      [3, 0],
    ]);
  });

  test("of different dtypes are moved together, and parameters without a gradient stay", () => {
    const params = [
      nn.parameter(ones([2])),
      nn.parameter(ones([2], { dtype: "float64" })),
      nn.parameter(ones([2])),
    ];
    const optimizer = new optim.AdamW(params, { lr: 0.1, weightDecay: 0 });
    scope(() => params[0]!.add(params[1]!).sum().backward());
    optimizer.step();
    const values = params.map((parameter) => parameter.at(0).item());
    expect(values[0]).toBeCloseTo(0.9, 5);
    expect(values[1]).toBeCloseTo(0.9, 5);
    expect(values[2]).toBe(1);
  });
});

describe("A fused step does not depend on memory layout", () => {
  test.each(["SGD", "Adam", "AdamW", "LARS", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adafactor"] as const)(
    "%s with channels-last parameters and any gradients",
    (kind) => {
      const start = randn([4, 3, 2, 5]);
      const gradient = randn([4, 3, 2, 5]);
      const settings = { lr: 0.1, ...(kind === "SGD" ? { momentum: 0.9 } : {}) };
      const results = (["contiguous", "channelsLast"] as const).flatMap((layout) =>
        (["contiguous", "channelsLast"] as const).map((gradientLayout) => {
          const parameter = nn.parameter(start.clone().contiguous({ memoryFormat: layout }));
          const optimizer = new optim[kind]([parameter], settings);
          for (let step = 0; step < 3; step++) {
            parameter.grad = gradient.mul(step + 1).contiguous({ memoryFormat: gradientLayout });
            optimizer.step();
          }
          return parameter;
        }),
      );
      for (const result of results) expect(difference(result, results[0]!)).toBeLessThan(1e-6);
    },
  );

  test("and the state follows a model that changes dtype or layout in training", () => {
    const run = (change: (model: nn.Module) => void) => {
      const model = new nn.Conv2d(3, 4, 3, { bias: false });
      model.loadStateDict({ weight: ones([4, 3, 3, 3]).cumsum(0).div(10) });
      const optimizer = new optim.AdamW(model.parameters(), { lr: 0.1 });
      for (let step = 0; step < 4; step++) {
        if (step === 2) change(model);
        const weights = model.weight;
        weights.grad = ones([4, 3, 3, 3]).cumsum(1).to({ dtype: weights.dtype });
        optimizer.step();
      }
      return model.weight;
    };
    const expected = run(() => {});
    expect(
      difference(
        run((model) => model.to({ memoryFormat: "channelsLast" })),
        expected,
      ),
    ).toBeLessThan(1e-6);
    expect(
      difference(
        run((model) => model.to("float64")),
        expected,
      ),
    ).toBeLessThan(1e-6);
  });

  test("and a parameter that changed its size is refused: its state would end before it does", () => {
    const parameter = nn.parameter(ones([10]));
    const optimizer = new optim.AdamW([parameter], { lr: 0.1 });
    parameter.grad = ones([10]);
    optimizer.step();
    parameter.grad = null;
    parameter.setData(ones([1_000_000]));
    parameter.grad = ones([1_000_000]);
    expect(() => optimizer.step()).toThrow(/shape \[1000000\].*another size.*new optimizer/);
    expect(parameter.min().item()).toBe(1);
  });

  test("but a parameter with gaps in memory is refused", () => {
    const parameter = nn.parameter(ones([4, 4]).narrow(1, 0, 2));
    const optimizer = new optim.SGD([parameter], { lr: 0.1 });
    scope(() => parameter.sum().backward());
    expect(() => optimizer.step()).toThrow(/gaps or overlaps/);
  });
});

test.each([
  [6, 6],
  [3, 11],
  [11, 3],
])(
  "Muon moves along a matrix that is nearly orthogonal, whatever the gradient's size: [%i, %i]",
  (rows, columns) => {
    for (const scale of [1e-4, 1, 1e4]) {
      const matrix = nn.parameter(zeros([rows, columns]));
      // No singular value near 0: that would stay small.
      matrix.grad = randn([rows, columns]).mul(0.1).add(eye(rows, columns)).mul(scale);
      new optim.Muon([matrix], { lr: 1, adjustLr: "original" }).step();
      const [, values] = matrix.detach().svd();
      const factor = Math.sqrt(Math.max(1, rows / columns));
      for (const value of values.div(factor).toNumbers()) {
        // Jordan et al. 2024: five turns bring singular values above some 0.01 of the norm into this range.
        expect(value).toBeGreaterThan(0.3);
        expect(value).toBeLessThan(1.3);
      }
      expect(matrix.mul(matrix.grad).sum().item()).toBeLessThan(0); // downhill
    }
  },
);

test("Steps are those of each parameter: one that got its first gradient late moves as if it were new", () => {
  for (const kind of ["Adagrad", "NAdam", "RAdam", "Adafactor"] as const) {
    const gradient = randn([4, 3]);
    const run = (delay: number) => {
      const [late, early] = [nn.parameter(ones([4, 3])), nn.parameter(ones([4, 3]))];
      const optimizer = new optim[kind]([early, late], { lr: 0.1 });
      for (let step = 0; step < 8; step++) {
        early.grad = gradient.clone();
        late.grad = step < delay ? null : gradient.clone();
        optimizer.step();
        if (step === delay + 1) return late;
      }
      throw new Error("unreachable");
    };
    expectClose(run(6), run(0), 1e-6, kind);
  }
});

test("LBFGS finds the minimum of Rosenbrock's valley and stops there", () => {
  const point = nn.parameter(zeros([2], { dtype: "float64" }).add(-1.2));
  const optimizer = new optim.LBFGS([point], {
    maxIterations: 200,
    toleranceChange: 1e-15,
    lineSearch: "strongWolfe",
  });
  let evaluations = 0;
  optimizer.step(() => {
    evaluations += 1;
    const [a, b] = point.unbind() as [Tensor, Tensor];
    return b.sub(a.square()).square().mul(100).add(a.sub(1).square());
  });
  expectClose(point, ones([2], { dtype: "float64" }), 1e-6);
  expect(evaluations).toBeLessThan(120);
});

test("LBFGS takes a closure that differentiates in parts itself", () => {
  const solve = (closure: (p: Tensor) => Tensor | number) => {
    const p = nn.parameter(zeros([3], { dtype: "float64" }));
    new optim.LBFGS([p], { lineSearch: "strongWolfe" }).step(() => closure(p));
    return p;
  };
  const targets = [ones([3], { dtype: "float64" }), ones([3], { dtype: "float64" }).mul(3)];
  const term = (p: Tensor, t: Tensor) => p.sub(t).square().sum();
  const whole = solve((p) => term(p, targets[0]!).add(term(p, targets[1]!)));
  const parts = solve((p) => {
    let sum = 0;
    for (const t of targets) {
      const part = term(p, t);
      part.backward();
      sum += part.item();
    }
    return sum;
  });
  expectClose(parts, whole, 1e-12);
  expect(parts.toNumbers()[0]).toBeCloseTo(2, 6);
});

describe("Optimizers refuse", () => {
  const p = nn.parameter(ones([2]));
  const refusals: [string, () => unknown, RegExp][] = [
    ["no parameters", () => new optim.AdamW([]), /AdamW: there are no parameters/],
    [
      "a parameter that occurs twice",
      () => new optim.SGD([p, p], { lr: 1 }),
      /SGD: a parameter occurs twice/,
    ],
    ["a tensor with history", () => new optim.Adam([p.mul(2)]), /Adam: .*shape \[2\].*Only leaves/],
    ["a negative learning rate", () => new optim.Adam([p], { lr: -1 }), /lr is -1/],
    [
      "a learning rate that is no number, later on",
      () => {
        new optim.Adam([p]).lr = Number.NaN;
      },
      /lr is NaN/,
    ],
    ["a negative momentum", () => new optim.SGD([p], { lr: 1, momentum: -0.9 }), /momentum is -0\.9/],
    ["a negative decay", () => new optim.LARS([p], { lr: 1, weightDecay: -1 }), /weightDecay is -1/],
    ["betas beyond 1", () => new optim.AdamW([p], { betas: [0.9, 1] }), /betas are \[0.9,1\]/],
    [
      "Nesterov without momentum",
      () => new optim.SGD([p], { lr: 1, nesterov: true }),
      /nesterov needs a momentum/,
    ],
    ["a bias for Muon", () => new optim.Muon([p]), /Muon: .*shape \[2\].*AdamW/],
    [
      "complex parameters where squares are wrong",
      () => new optim.RMSprop([nn.parameter(ones([2], { dtype: "complex64" }))]),
      /RMSprop: .*complex64/,
    ],
    [
      "Adafactor's threshold below 1",
      () => new optim.Adafactor([p], { clipThreshold: 0.5 }),
      /clipThreshold is 0\.5/,
    ],
    ["groups mixed with parameters", () => new optim.Adam([p, { params: [p] }] as Tensor[]), /mixed/],
  ];
  test.each(refusals)("%s", (_what, act, message) => {
    expect(act).toThrow(TorchError);
    expect(act).toThrow(message);
  });
});
