import { describe, expect, test } from "vitest";
import { nn, ones, optim, scope, zeros } from "../../src/index.ts";
import { fixture } from "../reference.ts";

interface Described {
  schedules: { name: string; options: Record<string, unknown>; rates: number[] }[];
  plateaus: { options: optim.PlateauOptions; rates: number[] }[];
  scaling: { factor: string; scale: number; parameter: number[] }[];
}

const { description, tensors } = fixture<Described>("schedules");

const warm = { steps: 8, from: 0.25 };
const made: Record<string, (options: never) => optim.Schedule> = {
  cosineSchedule: optim.cosineSchedule,
  stepSchedule: optim.stepSchedule,
  exponentialSchedule: optim.exponentialSchedule,
  polynomialSchedule: optim.polynomialSchedule,
  linearSchedule: optim.linearSchedule,
  cosineRestartsSchedule: optim.cosineRestartsSchedule,
  oneCycleSchedule: optim.oneCycleSchedule,
  sequential: ({ lr }: { lr: number }) =>
    optim.sequentialSchedule(
      { schedule: optim.linearSchedule({ lr, ...warm }), steps: warm.steps },
      optim.exponentialSchedule({ lr, gamma: 0.8 }),
    ),
  chained: ({ lr }: { lr: number }) =>
    optim.chainedSchedule({
      lr,
      factors: [optim.linearSchedule({ lr: 1, ...warm }), optim.exponentialSchedule({ lr: 1, gamma: 0.8 })],
    }),
};

describe("Schedules take PyTorch's rates", () => {
  test.each(description.schedules)("$name with $options", ({ name, options, rates }) => {
    const schedule = made[name]!({ lr: 0.3, ...options } as never);
    rates.forEach((rate, step) => void expect(schedule(step), `step ${step}`).toBeCloseTo(rate, 12));
  });

  test.each(description.plateaus)("on a plateau with $options", ({ options, rates }) => {
    const measures = tensors.measures!.toNumbers();
    const optimizer = new optim.SGD([nn.parameter(zeros([1]))], { lr: 0.3 });
    let plateau = new optim.ReduceLROnPlateau(optimizer, options);
    rates.forEach((rate, i) => {
      if (i === 20) {
        const state = JSON.parse(JSON.stringify(plateau.state)); // through a checkpoint
        plateau = new optim.ReduceLROnPlateau(optimizer, options);
        plateau.state = state;
      }
      expect(plateau.step(measures[i]!), `measure ${i}`).toBeCloseTo(rate, 12);
      expect(optimizer.lr).toBeCloseTo(rate, 12);
    });
  });

  test("and refuse what gives no rates", () => {
    expect(() => optim.oneCycleSchedule({ maxLr: 1, steps: 1 })).toThrow(/1 steps.*2 steps or more/);
    expect(() => optim.oneCycleSchedule({ maxLr: 1, steps: 9, rise: 0.6, threePhase: true })).toThrow(
      /0 … 0\.5/,
    );
    expect(() => optim.cosineRestartsSchedule({ lr: 1, period: 0 })).toThrow(/period 0/);
    expect(() => optim.polynomialSchedule({ lr: 1, steps: 5, warmup: 5 })).toThrow(/5 steps with 5/);
    expect(() => optim.linearSchedule({ lr: 1, steps: 0 })).toThrow(/0 steps/);
    expect(() => new optim.ReduceLROnPlateau({ lr: 1 }, { factor: 1 })).toThrow(/factor is 1/);
  });
});

describe("GradScaler", () => {
  test("takes PyTorch's scales and steps, and leaves out those with an infinite gradient", () => {
    const parameter = nn.parameter(ones([2]));
    const optimizer = new optim.SGD([parameter], { lr: 0.1 });
    const scaler = new optim.GradScaler({ initScale: 1024, growthInterval: 3 });
    for (const { factor, scale, parameter: expected } of description.scaling) {
      const value = { inf: Number.POSITIVE_INFINITY, nan: Number.NaN }[factor] ?? Number(factor);
      optimizer.zeroGrad();
      scope(() => scaler.scale(parameter.mul(value).sum()).backward());
      expect(scaler.step(optimizer)).toBe(Number.isFinite(value));
      scaler.update();
      expect(scaler.currentScale).toBe(scale);
      parameter.toNumbers().forEach((number, i) => void expect(number).toBeCloseTo(expected[i]!, 6));
    }
  });

  test("gives gradients to clip after unscale_, which step does not repeat", () => {
    const parameter = nn.parameter(ones([2]));
    const optimizer = new optim.SGD([parameter], { lr: 1 });
    const scaler = new optim.GradScaler();
    scope(() => scaler.scale(parameter.mul(3).sum()).backward());
    scaler.unscale_(optimizer);
    expect(parameter.grad!.toNumbers()).toEqual([3, 3]);
    expect(scaler.step(optimizer)).toBe(true);
    expect(parameter.toNumbers()).toEqual([-2, -2]);
    expect(() => scaler.step(optimizer)).toThrow(/already.*update\(\)/);
    expect(() => scaler.unscale_(optimizer)).toThrow(/already.*update\(\)/);
    scaler.update();
    expect(() => scaler.update()).toThrow(/no step/);
  });

  test("refuses float16 parameters, which would lose what it keeps, and steps without gradients", () => {
    const scaler = new optim.GradScaler();
    const half = nn.parameter(ones([2], { dtype: "float16" }));
    expect(() => scaler.step(new optim.SGD([half], { lr: 1 }))).toThrow(/no parameter has a gradient/);
    half.grad = ones([2], { dtype: "float16" });
    expect(() => scaler.step(new optim.SGD([half], { lr: 1 }))).toThrow(/float16.*float32/);
    expect(() => new optim.GradScaler({ growthFactor: 1 })).toThrow(/growthFactor 1/);
  });
});
