import { spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  checkpoints,
  defaultGenerator,
  Generator,
  manualSeed,
  nn,
  ones,
  optim,
  Random,
  randint,
  randn,
  safetensors,
  scope,
  zeros,
} from "../src/index.ts";
import { ResNet18 } from "./networks.ts";

const base = mkdtempSync(join(tmpdir(), "checkpoint-"));
const fresh = () => join(mkdtempSync(join(base, "case-")), "checkpoint");

/** A training with all that can make a difference: batch norm, dropout, data drawn in two ways, schedule, averages. */
class Training {
  readonly model = new nn.Sequential(
    new ResNet18({ width: 8, classes: 8 }), // narrower ones break libtorch's kernels, see ARCHITECTURE.md
    new nn.Dropout(0.2),
    new nn.Linear(8, 3),
  );
  readonly optimizer = new optim.AdamW(optim.weightDecayGroups(this.model.parameters(), 0.1), { lr: 1e-3 });
  readonly ema = new optim.Ema(this.model, { warmup: true });
  readonly random = new Random(1);
  readonly generator = new Generator({ seed: 2 });
  readonly schedule = optim.cosineSchedule({ lr: 0.01, steps: 10, warmup: 2 });
  step = 0;
  losses: number[] = [];

  run(until: number): this {
    for (; this.step < until; this.step++) {
      const loss = scope(() => {
        const x = randn([4, 3, 32, 32], { generator: this.generator }).mul(this.random.uniform(0.5, 2));
        const y = randint(3, [4], { dtype: "int64" }); // the default generator, as dropout
        this.optimizer.lr = this.schedule(this.step);
        this.optimizer.zeroGrad();
        const current = this.model.forward(x).crossEntropyLoss(y);
        current.backward();
        optim.clipGradNorm_(this.model.parameters(), 1);
        this.optimizer.step();
        this.ema.update();
        return current.item();
      });
      this.losses.push(loss);
    }
    return this;
  }

  get parts() {
    const { model, optimizer, ema, random, generator } = this;
    return { model, optimizer, ema, random, generator };
  }
}

test("Training that is interrupted and resumed equals the uninterrupted one bit for bit", () => {
  manualSeed(5);
  const whole = new Training().run(8);

  manualSeed(5);
  const first = new Training().run(3);
  const folder = fresh();
  checkpoints.save(folder, { ...first.parts, step: first.step, extra: { losses: first.losses } });

  manualSeed(99); // another process would stand somewhere else in its streams
  const second = new Training();
  second.random.uniform();
  const { step, extra } = checkpoints.load<{ losses: number[] }>(folder, second.parts);
  second.step = step;
  second.losses = extra.losses;
  second.run(8);

  expect(second.losses).toEqual(whole.losses);
  const states = [whole, second].map(({ model, ema, optimizer }) => [
    model.stateDict(),
    ema.stateDict(),
    optimizer.stateDict().tensors,
  ]);
  states[0]!.forEach((expected, i) => {
    const actual = states[1]![i]!;
    expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
    for (const [key, tensor] of Object.entries(expected)) expect(tensor.equal(actual[key]!), key).toBe(true);
  });
  expect(second.random.state).toEqual(whole.random.state);
  expect(second.generator.getState().equal(whole.generator.getState())).toBe(true);
  expect(second.optimizer.lr).toBe(whole.optimizer.lr);
});

describe("A checkpoint", () => {
  const model = () => new nn.Linear(2, 1);

  test("holds several models and optimizers by name, and its weights are plain safetensors files", () => {
    const folder = fresh();
    const [one, two] = [model(), model()];
    const optimizer = {
      a: new optim.SGD(one.parameters(), { lr: 0.1 }),
      b: new optim.SGD(two.parameters(), { lr: 0.2 }),
    };
    checkpoints.save(folder, { model: { encoder: one, decoder: two }, optimizer });
    expect(readdirSync(folder).sort()).toEqual([
      "checkpoint.json",
      "generators.safetensors",
      "model.decoder.safetensors",
      "model.encoder.safetensors",
      "optimizer.a.safetensors",
      "optimizer.b.safetensors",
    ]);
    const { tensors } = safetensors.read(join(folder, "model.decoder.safetensors"));
    expect(tensors.weight!.equal(two.weight)).toBe(true);
    optimizer.b.lr = 7;
    const [three, four] = [model(), model()];
    expect(checkpoints.load(folder, { model: { encoder: three, decoder: four }, optimizer })).toEqual({
      step: 0,
      extra: null,
    });
    expect(four.weight.equal(two.weight)).toBe(true);
    expect(optimizer.b.lr).toBe(0.2);
  });

  test("restores the default generator, so that draws repeat", () => {
    const folder = fresh();
    manualSeed(1);
    checkpoints.save(folder, {});
    const drawn = randn([5]);
    checkpoints.load(folder);
    expect(randn([5]).equal(drawn)).toBe(true);
    expect(defaultGenerator().device).toBe("cpu");
  });

  test("gives back the numbers that JSON lacks, and refuses what it would lose", () => {
    const folder = fresh();
    const extra = {
      losses: [1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
      note: "a",
    };
    checkpoints.save(folder, { step: 1, extra });
    expect(checkpoints.load(folder).extra).toEqual(extra);
    for (const lost of [ones([1]), new Map([[1, 2]]), new Set([1]), new Float32Array(2), 5n])
      expect(() => checkpoints.save(folder, { extra: { lost } })).toThrow(/"lost" is a .*JSON cannot hold/);
    expect(checkpoints.load(folder).step).toBe(1);
  });

  test("replaces the one before, and leaves nothing else beside it", () => {
    const folder = fresh();
    const net = model();
    for (let step = 0; step < 3; step++) checkpoints.save(folder, { model: net, step });
    expect(readdirSync(join(folder, ".."))).toEqual(["checkpoint"]);
    expect(checkpoints.load(folder).step).toBe(2);
  });

  test("that could not be written leaves the one before", () => {
    const folder = fresh();
    const net = model();
    checkpoints.save(folder, { model: net, step: 1 });
    const weights = net.weight.toNumbers();
    class Broken extends optim.SGD {
      override stateDict(): optim.OptimizerState {
        return { ...super.stateDict(), tensors: { a: zeros([1], { dtype: "complex128" }) } };
      }
    }
    const broken = new Broken(net.parameters(), { lr: 0.1 });
    expect(() => checkpoints.save(folder, { model: net, optimizer: broken, step: 2 })).toThrow(/complex128/);
    expect(readdirSync(join(folder, ".."))).toEqual(["checkpoint"]);
    const back = model();
    expect(checkpoints.load(folder, { model: back }).step).toBe(1);
    expect(back.weight.toNumbers()).toEqual(weights);
  });
});

describe("After a crash", () => {
  const net = new nn.Linear(2, 1);
  const saved = fresh();
  checkpoints.save(saved, { model: net, step: 4 });

  test("between the two moves the old checkpoint is found and put back", () => {
    const folder = fresh();
    const previous = join(folder, "..", ".checkpoint.previous");
    cpSync(saved, previous, { recursive: true });
    cpSync(saved, join(folder, "..", ".checkpoint.0123456789ab.partial"), { recursive: true });
    expect(checkpoints.exists(folder)).toBe(true);
    expect(checkpoints.load(folder).step).toBe(4);
    expect(checkpoints.exists(folder)).toBe(true);
    checkpoints.save(folder, { step: 5 });
    expect(readdirSync(join(folder, ".."))).toEqual(["checkpoint"]);
  });

  test("after the moves the new one stays", () => {
    const folder = fresh();
    cpSync(saved, folder, { recursive: true });
    const previous = join(folder, "..", ".checkpoint.previous");
    mkdirSync(previous);
    writeFileSync(join(previous, "checkpoint.json"), '{"format":1,"step":3}'); // is not read
    expect(checkpoints.load(folder).step).toBe(4);
    expect(readdirSync(join(folder, ".."))).toEqual(["checkpoint"]);
  });

  test("at any moment (kill -9 in the middle of saving) the old or the new one is there, whole", async () => {
    const folder = fresh();
    const script = fileURLToPath(new URL("./checkpoint.child.ts", import.meta.url));
    const random = new Random("kill");
    let last = 0;
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, ["--import", "tsx", "--conditions=source", script, folder], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      await new Promise((resolve) => child.stdout.once("data", resolve)); // it has saved some
      await new Promise((resolve) => setTimeout(resolve, random.uniform(0, 60)));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
      const model = new nn.Linear(200, 200);
      const optimizer = new optim.SGD(model.parameters(), { lr: 1, momentum: 0.1 });
      const { step, extra } = checkpoints.load(folder, { model, optimizer });
      expect(step).toBeGreaterThan(last);
      expect(extra).toEqual({ step });
      expect(model.weight.equal(ones([200, 200]).mul(step))).toBe(true);
      expect(optimizer.groups[0]!.momentum).toBe(0.5);
      last = step;
    }
  });
});

describe("Loading refuses, with the reason,", () => {
  const parts = () => {
    const model = new nn.Linear(2, 1);
    return { model, optimizer: new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 }) };
  };
  const saved = fresh();
  checkpoints.save(saved, parts());

  test("a folder without a checkpoint", () => {
    expect(checkpoints.exists(fresh())).toBe(false);
    expect(() => checkpoints.load(fresh())).toThrow(/holds no checkpoint\. Check the path/);
  });

  test("parts that were not saved", () => {
    expect(() => checkpoints.load(saved, { random: new Random(0) })).toThrow(
      /has no random\.safetensors|has no random/,
    );
    expect(() => checkpoints.load(saved, { model: { encoder: parts().model } })).toThrow(
      /has no model\.encoder/,
    );
    expect(() => checkpoints.load(saved, { generator: new Generator({ seed: 1 }) })).toThrow(
      /has no generator/,
    );
  });

  test("a model of another shape", () => {
    expect(() => checkpoints.load(saved, { model: new nn.Linear(3, 1) })).toThrow(nn.StateDictError);
  });

  test("damaged files", () => {
    const damaged = (damage: (folder: string) => void) => {
      const folder = fresh();
      cpSync(saved, folder, { recursive: true });
      damage(folder);
      return () => checkpoints.load(folder, parts());
    };
    expect(damaged((folder) => truncateSync(join(folder, "model.safetensors"), 100))).toThrow(
      safetensors.SafetensorsError,
    );
    expect(damaged((folder) => writeFileSync(join(folder, "checkpoint.json"), "{"))).toThrow(/is no JSON/);
    expect(damaged((folder) => writeFileSync(join(folder, "checkpoint.json"), '{"format":2}'))).toThrow(
      /format 2 is not 1/,
    );
    for (const text of [
      '{"format":1}',
      '{"format":1,"step":"3","optimizers":{},"emaUpdates":{},"random":{}}',
    ])
      expect(damaged((folder) => writeFileSync(join(folder, "checkpoint.json"), text))).toThrow(/incomplete/);
    expect(damaged((folder) => rmSync(join(folder, "optimizer.safetensors")))).toThrow(/has no optimizer/);
    expect(damaged((folder) => renameSync(join(folder, "checkpoint.json"), join(folder, "x")))).toThrow(
      /holds no checkpoint/,
    );
  });

  test("names that are no file names", () => {
    expect(() => checkpoints.save(fresh(), { model: { "../a": parts().model } })).toThrow(
      /cannot name a model/,
    );
  });
});
