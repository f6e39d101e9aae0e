import { expect, test } from "vitest";
import { manualSeed, memory, nn, optim, randn, scope } from "../../src/index.ts";

const WARM_UP = 300;
const STEPS = 2000;
const MIB = 2 ** 20;

test(`${STEPS} training steps hold no more tensors than the first, and the process does not grow`, () => {
  manualSeed(0);
  const model = new nn.Sequential(
    new nn.Linear(64, 128),
    new nn.BatchNorm1d(128),
    new nn.ReLU(),
    new nn.Linear(128, 10),
  );
  const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
  const ema = new optim.Ema(model);
  const step = () =>
    scope(() => {
      optimizer.zeroGrad();
      model
        .forward(randn([256, 64]))
        .square()
        .mean()
        .backward();
      optim.clipGradNorm_(model.parameters(), 1);
      optimizer.step();
      ema.update();
    });
  for (let i = 0; i < WARM_UP; i++) step();
  const before = { ...memory(), resident: process.memoryUsage().rss };
  for (let i = 0; i < STEPS; i++) {
    step();
    if (memory().tensors > before.tensors) break;
  }
  expect(memory().tensors).toBeLessThanOrEqual(before.tensors);
  expect(memory().bytes).toBeLessThanOrEqual(before.bytes);
  // A step makes 0.9 MiB of tensors: kept, they would be 1.8 GiB. The garbage collector's own room varies by some MiB.
  expect(process.memoryUsage().rss - before.resident).toBeLessThan(64 * MIB);
});
