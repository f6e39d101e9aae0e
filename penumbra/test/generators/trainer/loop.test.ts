import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualSeed, nn, optim, type Tensor } from "@penumbra/torch";
import { afterAll, expect, test } from "vitest";
import { learningRateAt, train } from "../../../src/generators/trainer/loop.ts";
import type { Trainee, TrainResult } from "../../../src/generators/trainer/trainee.ts";
import { normal } from "../toys.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-loop-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("the learning rate rises over the warm-up and falls to 2 % at the end", () => {
  const options = { learningRate: 1e-3, warmup: 10 };
  expect(learningRateAt(options, 0, 0)).toBeCloseTo(1e-4, 9);
  expect(learningRateAt(options, 9, 0)).toBeCloseTo(1e-3, 9);
  expect(learningRateAt(options, 500, 1)).toBeCloseTo(2e-5, 9);
  expect(learningRateAt(options, 50, 0.5)).toBeCloseTo(5.1e-4, 6);
});

/** A line through points of its own for each step. */
function toyTrainee(): Trainee & { readonly network: nn.Linear } {
  manualSeed(3);
  const network = new nn.Linear(4, 1);
  const optimizer = new optim.AdamW(network.parameters(), { lr: 0.1 });
  return {
    ...{ name: "toy", device: "cpu", lossNames: ["loss"], networks: { network }, network, optimizer },
    step(step, learningRate) {
      const x = normal([8, 4], step);
      const loss = network
        .forward(x)
        .sub(x.sum([1], { keepdim: true }))
        .square()
        .mean();
      optimizer.zeroGrad();
      loss.backward();
      optimizer.lr = learningRate;
      optimizer.step();
      return [loss.detach()];
    },
  };
}

const budget = {
  ...{ batchSize: 8, learningRate: 0.1, warmup: 2 },
  ...{ checkpointMinutes: 60, inspectMinutes: 60, logSeconds: 60 },
};
const weightsOf = (trainee: ReturnType<typeof toyTrainee>): number[] =>
  [...trainee.network.parameters()].flatMap((parameter: Tensor) => parameter.toNumbers());

test("minutes become steps once: what is interrupted goes on to the same end, as a training of so many steps", async () => {
  const timed = { ...budget, steps: 1, minutes: 0.004, folder: join(scratch, "timed") };
  const stop = new AbortController();
  const first = toyTrainee();
  const { step } = first;
  let steps = 0;
  let counted = 0;
  first.step = (...given) => {
    // The steps that were timed went before; the first of the training has the number 0 again.
    if (given[0] === 0) steps = 0;
    if (++steps > 5 && counted > 0) stop.abort();
    return step.apply(first, given);
  };
  const onLine = (line: string) => {
    counted = Number(/toy: (\d+) steps fit into/.exec(line)?.[1] ?? counted);
  };
  const interrupted = await train(first, { ...timed, onLine, signal: stop.signal });
  expect(interrupted).toMatchObject({ complete: false, steps: counted });
  const second = toyTrainee();
  const resumed: TrainResult = await train(second, timed);
  expect(resumed).toMatchObject({ complete: true, step: counted, steps: counted });
  expect(counted).toBeGreaterThan(20);

  const whole = toyTrainee();
  await train(whole, { ...budget, steps: counted, folder: join(scratch, "whole") });
  expect(weightsOf(second)).toEqual(weightsOf(whole));
});
