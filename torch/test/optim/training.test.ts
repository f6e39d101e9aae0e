import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memory, nn, ones, optim, scope, type Tensor, zeros } from "../../src/index.ts";
import { expectAllClose, expectClose, fixture, under } from "../reference.ts";

const { description, tensors } = fixture<{
  clip: Record<string, { maxNorm: number; normType: string }>;
}>("training");

describe("Schedules", () => {
  test("rise linearly in the warm-up and reach the rate in its last step", () => {
    const schedule = optim.constantSchedule({ lr: 0.8, warmup: 4 });
    [0.2, 0.4, 0.6, 0.8, 0.8].forEach((rate, step) => void expect(schedule(step)).toBeCloseTo(rate, 12));
  });

  test("never leave the range between their ends, and never rise after the warm-up", () => {
    const settings = fc.record({
      lr: fc.double({ min: 1e-6, max: 10, noNaN: true }),
      steps: fc.integer({ min: 1, max: 200 }),
    });
    fc.assert(
      fc.property(settings, fc.double({ min: 0, max: 1, noNaN: true }), ({ lr, steps }, share) => {
        const warmup = Math.floor(share * steps);
        const rates = Array.from({ length: steps + 3 }, (_, i) =>
          optim.cosineSchedule({ lr, steps, warmup, minLr: lr / 9 })(i),
        );
        const falling = rates.slice(warmup);
        expect(rates.every((rate) => rate > 0 && rate <= lr * (1 + 1e-12))).toBe(true);
        expect(falling.every((rate, i) => i === 0 || rate <= falling[i - 1]! + 1e-15)).toBe(true);
        expect(rates.at(-1)).toBeCloseTo(lr / 9, 12);
      }),
    );
  });

  test("refuse a warm-up longer than the training", () => {
    expect(() => optim.cosineSchedule({ lr: 1, steps: 10, warmup: 11 })).toThrow(
      /10 steps with 11 of warm-up/,
    );
  });
});

describe("Clipping", () => {
  test.each(Object.entries(description.clip))(
    "by norm agrees with PyTorch's: case %s",
    (number, { maxNorm, normType }) => {
      const before = Object.values(under(tensors, `clip.${number}.before.`));
      const params = before.map((gradient) => {
        const parameter = nn.parameter(zeros([...gradient.shape]));
        parameter.grad = gradient.clone();
        return parameter;
      });
      const norm = optim.clipGradNorm_(params, maxNorm, {
        normType: normType === "inf" ? Number.POSITIVE_INFINITY : Number(normType),
      });
      expectClose(norm, tensors[`clip.${number}.norm`]!, 1e-6);
      params.forEach(
        (parameter, i) => void expectClose(parameter.grad!, tensors[`clip.${number}.after.${i}`]!, 1e-6),
      );
    },
  );

  test("by value limits each element", () => {
    const parameter = nn.parameter(zeros([3]));
    parameter.grad = ones([3]).cumsum(0).sub(2).mul(4);
    optim.clipGradValue_([parameter], 1.5);
    expect(parameter.grad!.toNumbers()).toEqual([-1.5, 0, 1.5]);
  });

  test("says so where a gradient is no number, and leaves the gradients alone", () => {
    const parameter = nn.parameter(zeros([2]));
    parameter.grad = ones([2]).setAt(0, Number.NaN);
    expect(() => optim.clipGradNorm_([parameter], 1, { errorIfNonfinite: true })).toThrow(
      /norm of the gradients is NaN/,
    );
    expect(parameter.grad!.at(1).item()).toBe(1);
    expect(() => optim.clipGradNorm_([nn.parameter(zeros([1]))], 1)).toThrow(/no parameter has a gradient/);
  });
});

describe("Averages", () => {
  const model = () => new nn.Sequential(new nn.Linear(4, 3), new nn.BatchNorm1d(3));
  const put = (target: nn.Module, step: number) =>
    target.loadStateDict(under(tensors, `ema.${step}.`), { strict: false });

  test("follow the parameters as PyTorch's do", () => {
    const net = model();
    put(net, 0);
    const ema = new optim.Ema(net, { decay: 0.9 });
    for (let step = 1; step <= 5; step++) {
      put(net, step);
      ema.update();
    }
    const averages = Object.fromEntries(
      Object.keys(under(tensors, "ema.0.")).map((key) => [key, ema.stateDict()[key]!]),
    );
    expectAllClose(averages, under(tensors, "ema.average."), 1e-6);
  });

  test("stand in for the parameters inside of apply, and only there", () => {
    const net = model();
    const ema = new optim.Ema(net, { decay: 0.5 });
    const layer = net.at(0) as nn.Linear;
    const first = layer.weight.detach().clone();
    scope(() => put(net, 3));
    const trained = layer.weight.detach().clone();
    ema.update();
    expectClose(
      ema.apply(() => layer.weight.detach().clone()),
      first.add(trained).div(2),
      1e-6,
    );
    expect(layer.weight.equal(trained)).toBe(true);
    expect(() => ema.apply(() => { throw new Error("inside"); })).toThrow("inside"); // biome-ignore format: one line
    expect(layer.weight.equal(trained)).toBe(true);
  });

  test("take buffers over, warm up, and hold no more tensors with time", () => {
    const net = model();
    const ema = new optim.Ema(net, { decay: 0.99, warmup: true });
    const norm = net.at(1) as nn.BatchNorm1d;
    scope(() => net.forward(ones([4, 4])));
    const before = memory().tensors;
    for (let step = 0; step < 20; step++) ema.update();
    expect(memory().tensors).toBeLessThanOrEqual(before); // less where garbage was collected
    expect(ema.updates).toBe(20);
    expect(ema.stateDict()["1.running_mean"]!.equal(norm.runningMean as Tensor)).toBe(true);
    expect(ema.stateDict()["1.num_batches_tracked"]!.item()).toBe(1);
    const copy = model();
    ema.copyTo(copy);
    expect((copy.at(0) as nn.Linear).weight.equal(ema.stateDict()["0.weight"]!)).toBe(true);
    ema.dispose();
  });

  test("live in another model where one is given, and follow a course of decays of its own", () => {
    const [net, average] = [model(), model()];
    put(net, 0);
    const ema = new optim.Ema(net, { average });
    const layer = average.at(0) as nn.Linear;
    expect(layer.weight.requiresGrad).toBe(false);
    expect(layer.weight.equal((net.at(0) as nn.Linear).weight)).toBe(true);
    const plain = new optim.Ema(net, { decay: 0.9 });
    for (let step = 1; step <= 5; step++) {
      scope(() => put(net, step));
      ema.update(0.9);
      plain.update();
    }
    for (const [key, tensor] of Object.entries(average.stateDict()))
      expect(tensor.equal(plain.stateDict()[key]!), key).toBe(true);
    expect(ema.updates).toBe(5);
    expect(() => new optim.Ema(net, { average: new nn.Linear(2, 2) })).toThrow(nn.StateDictError);
  });

  test("refuse a decay that is no share and an asynchronous evaluation, and take a model without parameters", () => {
    const net = new nn.Linear(2, 1);
    for (const decay of [-0.1, 1.5, Number.NaN])
      expect(() => new optim.Ema(net, { decay })).toThrow(/decay is/);
    const ema = new optim.Ema(net);
    const weights = net.weight.toNumbers();
    expect(() => ema.apply(async () => 1)).toThrow(/synchronous/);
    expect(net.weight.toNumbers()).toEqual(weights);
    expect(() => new optim.Ema(new nn.ReLU()).update()).not.toThrow();
  });
});
