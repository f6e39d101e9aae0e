import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import {
  ContrastError,
  extractFeatures,
  fitLinearProbe,
  loadEncoder,
  type Objective,
  objectiveOf,
  objectives,
  saveEncoder,
  type TrainedEncoder,
  type TrainOptions,
  trainEncoder,
  usesOf,
} from "../../../src/contrast/index.ts";
import { ProjectionMemory } from "../../../src/contrast/training/memory.ts";
import { makeSource } from "../../../src/contrast/training/training-images.ts";

const SIDE = 16;
const folders: string[] = [];

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "penumbra-encoder-"));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Noisy images whose classes differ by the direction of a stripe pattern. */
function striped(count: number, classes: number, seed: number): { images: Tensor; labels: number[] } {
  const random = new torch.Random(seed);
  const labels = Array.from({ length: count }, (_, i) => i % classes);
  const pixels = labels.flatMap((label) => {
    const angle = (label * Math.PI) / classes;
    const phase = random.uniform(0, 6);
    return Array.from({ length: 3 * SIDE * SIDE }, (_, i) => {
      const [x, y] = [i % SIDE, Math.floor(i / SIDE) % SIDE];
      const wave = Math.sin(1.2 * (x * Math.cos(angle) + y * Math.sin(angle)) + phase);
      return Math.max(0, Math.min(255, 128 + 80 * wave + 15 * random.normal()));
    });
  });
  return { images: torch.fromTyped(Uint8Array.from(pixels), [count, 3, SIDE, SIDE]), labels };
}

const photos = striped(24, 3, 1);
const redraws = striped(12, 3, 2);
const outliers = striped(10, 5, 3);

/** A small training, with everything that the contrastive one has. */
function settings(changes: Partial<TrainOptions> = {}): TrainOptions {
  return {
    objective: "supcon",
    ...photos,
    network: { network: "resnet10", stem: "cifar", width: 8 },
    loss: { projection: 16 },
    negatives: { images: outliers.images, labels: outliers.labels.map((label) => label % 3), perStep: 5 },
    faithful: { images: redraws.images, parents: redraws.labels.map((_, i) => 2 * i) },
    steps: 12,
    batchSize: 8,
    augment: { crop: { scale: [0.6, 1] }, brightness: 0.2, noise: 0.02 },
    seed: 5,
    precision: "fp32",
    ...changes,
  };
}

/** All that a training made, as numbers. */
function bitsOf({ encoder, head, losses }: TrainedEncoder) {
  const states = [encoder.stateDict(), head.stateDict()];
  return {
    losses,
    tensors: states.map((state) => Object.entries(state).map(([key, t]) => [key, t.toNumbers()])),
  };
}

describe("training an encoder", () => {
  test("the same seed gives the same bits, another seed others", async () => {
    const first = bitsOf(await trainEncoder(settings()));
    expect(bitsOf(await trainEncoder(settings()))).toEqual(first);
    expect(bitsOf(await trainEncoder(settings({ seed: 6 }))).losses).not.toEqual(first.losses);
  });

  test("does not depend on the default generator and leaves it as it was", async () => {
    torch.manualSeed(1);
    const first = bitsOf(await trainEncoder(settings({ steps: 2 })));
    torch.manualSeed(2);
    const before = torch.defaultGenerator().getState().toNumbers();
    expect(bitsOf(await trainEncoder(settings({ steps: 2 })))).toEqual(first);
    expect(torch.defaultGenerator().getState().toNumbers()).toEqual(before);
  });

  for (const [name, precision] of [
    ["adamw", "fp32"],
    ["sgd", "fp32"],
    ["adamw", "fp16"],
  ] as const) {
    test(`interrupted and resumed it ends with the same bits (${name}, ${precision})`, async () => {
      const own = { optimizer: { name }, precision };
      const whole = bitsOf(await trainEncoder(settings(own)));
      const checkpointFolder = temporaryFolder();
      const interrupted = settings({
        ...own,
        checkpointFolder,
        checkpointEvery: 5,
        onProgress: (done) => {
          if (done === 8) throw new Error("power cut");
        },
      });
      await expect(trainEncoder(interrupted)).rejects.toThrow("power cut");
      expect(readdirSync(checkpointFolder)).toEqual(["training"]);
      const steps: number[] = [];
      const resumed = await trainEncoder({ ...interrupted, onProgress: (done) => steps.push(done) });
      expect(steps).toEqual([6, 7, 8, 9, 10, 11, 12]);
      expect(bitsOf(resumed)).toEqual(whole);
    });
  }

  test("drops features of the classifier out by the step: interrupted and resumed it ends with the same bits", async () => {
    const changes = { objective: "cross-entropy", negatives: undefined, steps: 4, checkpointEvery: 1 };
    const whole = bitsOf(await trainEncoder(settings({ ...changes, loss: { dropout: 0.5 } })));
    const checkpointFolder = temporaryFolder();
    const interrupted = settings({
      ...{ ...changes, loss: { dropout: 0.5 }, checkpointFolder },
      onProgress: (done) => {
        if (done === 2) throw new Error("power cut");
      },
    });
    await expect(trainEncoder(interrupted)).rejects.toThrow("power cut");
    torch.manualSeed(3);
    expect(bitsOf(await trainEncoder({ ...interrupted, onProgress: () => {} }))).toEqual(whole);
    const without = await trainEncoder(settings({ ...changes, loss: {} }));
    expect(whole.losses[0]).not.toBe(without.losses[0]);
    scope(() => expect(without.head.forward(torch.ones([1, 64])).shape).toEqual([1, 3]));
  });

  test("refuses the checkpoint of another training", async () => {
    const checkpointFolder = temporaryFolder();
    await trainEncoder(settings({ checkpointFolder, checkpointEvery: 5 }));
    const other = trainEncoder(settings({ checkpointFolder, loss: { projection: 16, negativeWeight: 2 } }));
    await expect(other).rejects.toThrow(/checkpoint of a training with other images or settings.*Remove it/s);
  });

  test("learns what tells the classes apart: a linear probe on its features classifies new images", async () => {
    const fresh = striped(30, 3, 77);
    for (const objective of ["supcon", "cross-entropy"] as const) {
      const { encoder, losses, collapse } = await trainEncoder(
        settings({
          objective,
          negatives: undefined,
          faithful: undefined,
          steps: 60,
          loss: objective === "supcon" ? { projection: 16 } : {},
        }),
      );
      scope(() => {
        const probe = fitLinearProbe(extractFeatures(encoder, photos.images), photos.labels);
        const answers = probe.logits(extractFeatures(encoder, fresh.images)).argmax({ dim: 1 }).toNumbers();
        const right = answers.filter((answer, i) => answer === fresh.labels[i]).length;
        expect(right / answers.length, objective).toBeGreaterThan(0.9);
      });
      expect(Math.min(...losses.slice(-5)), objective).toBeLessThan(losses[0] as number);
      expect(collapse, objective).toBeNull();
    }
  });

  test("photos and negatives go through one forward pass: batch norm counts one batch a step", async () => {
    const { encoder } = await trainEncoder(settings());
    expect(encoder.stateDict()["network.bn1.num_batches_tracked"]?.item()).toBe(12);
  });

  test("negatives and faithful redraws take part, and none of them with probability 0", async () => {
    const losses = async (changes: Partial<TrainOptions>) =>
      (await trainEncoder(settings({ steps: 3, ...changes }))).losses;
    const both = await losses({});
    const withoutNegatives = await losses({ negatives: undefined });
    expect(withoutNegatives[0]).toBeLessThan(both[0] as number);
    const without = await losses({ faithful: undefined });
    expect(without).not.toEqual(both);
    const { images, parents } = settings().faithful as NonNullable<TrainOptions["faithful"]>;
    expect(await losses({ faithful: { images, parents, faithfulProbability: 0 } })).toEqual(without);
  });

  test("the scope of the negatives changes what anchors see", async () => {
    const loss = async (negativeScope: "all" | "source-class") =>
      (await trainEncoder(settings({ steps: 1, loss: { projection: 16, negativeScope } })))
        .losses[0] as number;
    expect(await loss("source-class")).toBeLessThan(await loss("all"));
  });

  for (const name of Object.keys(objectives) as (keyof typeof objectives)[]) {
    test(`trains for ${name} with negatives in every use, and saves and loads the head`, async () => {
      for (const use of usesOf(objectiveOf(name))) {
        const negatives = { images: outliers.images, perStep: 5, use };
        const trained = await trainEncoder(settings({ objective: name, loss: {}, steps: 2, negatives }));
        expect(trained.use).toBe(use);
        expect(trained.losses.every(Number.isFinite)).toBe(true);
        const folder = temporaryFolder();
        saveEncoder(folder, trained);
        expect(bitsOf(loadEncoder(folder))).toEqual(bitsOf(trained));
      }
    });
  }

  test("says that an encoder has collapsed when its loss stays on the plateau", async () => {
    // At temperature 1000 all rows look alike, whatever the encoder does.
    const { collapse } = await trainEncoder(
      settings({ steps: 20, loss: { projection: 16, temperature: 1000 } }),
    );
    expect(collapse?.plateau).toBeCloseTo(Math.log(2 * 8 - 1 + 5), 12);
    expect(collapse?.message).toMatch(/learned nothing/);
  });

  test("does not add to the living tensors from step to step, whatever it does beside the steps", async () => {
    for (const beside of [{}, { ...looks({ keep: "loss" }), ema: 0.9 }]) {
      const counts: number[] = [];
      await trainEncoder(settings({ ...beside, onProgress: () => counts.push(torch.memory().tensors) }));
      // Fewer there can be: the garbage collector comes upon what earlier tests have left.
      expect(Math.max(...counts.slice(3))).toBeLessThanOrEqual(counts[2] as number);
    }
  });

  test("works in bf16 and in fp16 with a scaled loss", async () => {
    for (const precision of ["bf16", "fp16"] as const) {
      const trained = await trainEncoder(settings({ steps: 3, precision }));
      expect(trained.precision.reason).toMatch(precision);
      const exact = await trainEncoder(settings({ steps: 3 }));
      expect(trained.losses[0]).toBeCloseTo(exact.losses[0] as number, 1);
      expect(new Set(trained.encoder.parameters().map(({ dtype }) => dtype))).toEqual(new Set(["float32"]));
    }
  });
});

/** The encoder's weights by name. */
function namedWeights({ encoder }: TrainedEncoder) {
  return Object.fromEntries(Object.entries(encoder.stateDict()).map(([key, t]) => [key, t.toNumbers()]));
}

/** Those of a training's checkpoint. */
function weightsIn(checkpointFolder: string): Record<string, number[]> {
  const path = join(checkpointFolder, "training", "model.encoder.safetensors");
  return Object.fromEntries(
    Object.entries(torch.safetensors.read(path).tensors).map(([key, t]) => [key, t.toNumbers()]),
  );
}

/** Validation photos of the same stripes, for a training that looks at them. */
const validation = striped(18, 3, 4);
const looks = (changes: Partial<NonNullable<TrainOptions["evaluation"]>> = {}) => ({
  evaluation: { ...validation, every: 2, ...changes },
});

describe("looking at validation photos during training", () => {
  test("changes no bit of a training that keeps its last weights", async () => {
    const plain = await trainEncoder(settings());
    const seen = await trainEncoder(settings(looks()));
    expect(bitsOf(seen)).toEqual(bitsOf(plain));
    expect(plain.evaluations).toEqual([]);
    expect([plain.keptStep, seen.keptStep]).toEqual([12, 12]);
    expect(seen.evaluations.map(({ step }) => step)).toEqual([2, 4, 6, 8, 10, 12]);
  });

  test("looks after the last step too, and tells the accuracy of the nearest class mean", async () => {
    const { encoder, evaluations } = await trainEncoder(settings({ ...looks({ every: 5 }), steps: 7 }));
    expect(evaluations.map(({ step }) => step)).toEqual([5, 7]);
    scope(() => {
      const directions = ({ images }: { images: Tensor }) => {
        const rows = extractFeatures(encoder, images).tolist() as number[][];
        return rows.map((row) => row.map((value) => value / Math.hypot(...row)));
      };
      const means = [0, 1, 2].map((label) => {
        const own = directions(photos).filter((_, i) => photos.labels[i] === label);
        const sum = own[0]!.map((_, d) => own.reduce((total, row) => total + row[d]!, 0));
        return sum.map((value) => value / Math.hypot(...sum));
      });
      for (const [part, own] of [
        ["train", photos],
        ["validation", validation],
      ] as const) {
        const right = directions(own).filter((row, i) => {
          const near = means.map((mean) => mean.reduce((total, value, d) => total + value * row[d]!, 0));
          return near.indexOf(Math.max(...near)) === own.labels[i];
        });
        expect(evaluations.at(-1)?.[part].accuracy).toBeCloseTo(right.length / own.labels.length, 12);
      }
    });
  });

  test("the loss of both parts is the same function: of the same photos it is the same number", async () => {
    const { evaluations } = await trainEncoder(
      settings({
        ...{ evaluation: { ...photos, every: 4 }, objective: "cross-entropy", negatives: undefined },
        ...{ loss: {}, steps: 4, augment: {}, batchSize: 24 },
      }),
    );
    const { train, validation } = evaluations[0]!;
    expect(train.loss).toBeCloseTo(validation.loss, 5); // the photos come in another order
    expect(train.accuracy).toBe(validation.accuracy);
  });

  test.each(["loss", "accuracy"] as const)("keeps the weights with the best validation %s", async (keep) => {
    const best = await trainEncoder(settings(looks({ keep })));
    const values = best.evaluations.map(({ validation: { loss, accuracy } }) =>
      keep === "loss" ? -loss : accuracy,
    );
    const place = values.indexOf(Math.max(...values));
    expect(best.keptStep).toBe(best.evaluations[place]?.step);
    // The weights are those that a training without looks had at that step.
    const had: unknown[] = [];
    const checkpointFolder = temporaryFolder();
    const plain = await trainEncoder(
      settings({
        ...{ checkpointFolder, checkpointEvery: 1 },
        onProgress: (done) => {
          if (done === best.keptStep && done < 12) had.push(weightsIn(checkpointFolder));
        },
      }),
    );
    if (best.keptStep === 12) had.push(namedWeights(plain));
    expect([namedWeights(best)]).toEqual(had);
  });

  test("ends early after as many looks without a better one as the patience is long", async () => {
    // A learning rate that ruins the encoder: the first looks stay the best.
    const ruined = settings({ ...looks({ keep: "loss", patience: 2 }), optimizer: { learningRate: 3 } });
    const { losses, evaluations, keptStep } = await trainEncoder({ ...ruined, steps: 40 });
    expect(losses.length).toBeLessThan(40);
    expect(losses.length).toBe(evaluations.at(-1)?.step);
    const place = evaluations.findIndex(({ step }) => step === keptStep);
    expect(evaluations.length - 1 - place).toBe(2);
    for (const later of evaluations.slice(place + 1)) {
      expect(later.validation.loss).toBeGreaterThanOrEqual(evaluations[place]!.validation.loss);
    }
  });

  test("interrupted and resumed it ends with the same bits, with averages and the best weights", async () => {
    const own = { ...looks({ keep: "loss", patience: 3 }), ema: 0.5 };
    const whole = await trainEncoder(settings(own));
    const checkpointFolder = temporaryFolder();
    const interrupted = settings({
      ...{ ...own, checkpointFolder, checkpointEvery: 5 },
      onProgress: (done) => {
        if (done === 8) throw new Error("power cut");
      },
    });
    await expect(trainEncoder(interrupted)).rejects.toThrow("power cut");
    const resumed = await trainEncoder({ ...interrupted, onProgress: () => {} });
    expect(bitsOf(resumed)).toEqual(bitsOf(whole));
    expect(resumed.evaluations).toEqual(whole.evaluations);
    expect(resumed.keptStep).toBe(whole.keptStep);
  });

  test("leaves frozen batch norms and layers as they were", async () => {
    const fineTuning = { layers: "last-1", batchNorm: "frozen" } as const;
    const plain = await trainEncoder(settings({ fineTuning, steps: 4 }));
    expect(bitsOf(await trainEncoder(settings({ fineTuning, steps: 4, ...looks() })))).toEqual(bitsOf(plain));
  });
});

describe("a memory of past projections", () => {
  const room = { width: 2, classes: 2, keepsTeacher: false };
  const bare = { targets: null, teacher: null };

  test.each(["supcon", "genscl+mix", "hscl"])(
    "of %s is empty at the first step, then raises the loss; interrupted and resumed it ends with the same bits",
    async (name) => {
      const objective = name === "supcon" ? {} : { objective: name, loss: {}, negatives: undefined };
      const own = { memory: 20, ...objective };
      const whole = await trainEncoder(settings(own));
      const without = await trainEncoder(settings(objective));
      expect(whole.losses[0]).toBe(without.losses[0]);
      expect(whole.losses[1]).toBeGreaterThan(without.losses[1] as number);
      const checkpointFolder = temporaryFolder();
      const interrupted = settings({
        ...{ ...own, checkpointFolder, checkpointEvery: 5 },
        onProgress: (done) => {
          if (done === 8) throw new Error("power cut");
        },
      });
      await expect(trainEncoder(interrupted)).rejects.toThrow("power cut");
      expect(bitsOf(await trainEncoder({ ...interrupted, onProgress: () => {} }))).toEqual(bitsOf(whole));
    },
  );

  test("holds what the head gave for the newest photos, with their labels", () =>
    scope(() => {
      const memory = new ProjectionMemory({ ...room, rows: 5, keepsTargets: false }, "cpu");
      expect(memory.read()).toBeNull();
      const rows = (from: number, count: number) =>
        torch
          .arange(from, from + count, { dtype: "float32" })
          .unsqueeze(1)
          .repeat([1, 2]);
      const held = () => {
        const { rows: own, labels, photos } = memory.read()!;
        const firsts = (own.tolist() as number[][]).map(([first]) => first);
        return firsts.map((first, i) => [first, labels[i], photos[i]]).sort((a, b) => a[0]! - b[0]!);
      };
      memory.add({ ...bare, rows: rows(0, 3), labels: [0, 1, 2], photos: [10, 11, 12] });
      expect(held()).toEqual([[0, 0, 10], [1, 1, 11], [2, 2, 12]]); // biome-ignore format: a table
      memory.add({ ...bare, rows: rows(3, 3), labels: [3, 4, 5], photos: [13, 14, 15] });
      expect(held().map(([first]) => first)).toEqual([1, 2, 3, 4, 5]);
      const eight = Array.from({ length: 8 }, (_, i) => i);
      memory.add({
        ...bare,
        rows: rows(6, 8),
        labels: eight.map((i) => 6 + i),
        photos: eight.map((i) => 16 + i),
      });
      expect(held()).toEqual([9, 10, 11, 12, 13].map((first) => [first, first, first + 10]));
    }));

  test("keeps the label distributions of mixed photos and of redraws between two classes beside them", () =>
    scope(() => {
      const memory = new ProjectionMemory({ ...room, rows: 3, keepsTargets: true }, "cpu");
      const shares = (values: number[]) => torch.tensor(values.map((share) => [share, 1 - share]));
      const two = { ...bare, rows: torch.zeros([2, 2]), labels: [0, 1], photos: [0, 1] };
      memory.add({ ...two, targets: shares([0.75, 0.5]) });
      expect(memory.read()!.targets!.tolist()).toEqual([[0.75, 0.25], [0.5, 0.5]]); // biome-ignore format: a table
      memory.add({ ...two, targets: shares([1, 0.25]) });
      expect(memory.read()!.targets!.tolist()).toEqual([[0.25, 0.75], [0.5, 0.5], [1, 0]]); // biome-ignore format: a table
    }));
});

describe("a teacher", () => {
  const student = { objective: "genscl", loss: {}, negatives: undefined, faithful: undefined };
  const taughtBy = (objective: string, changes: Partial<TrainOptions> = {}) =>
    trainEncoder(settings({ ...student, objective, steps: 3, ...changes }));

  test.each(["genscl", "genscl+mix"])(
    "is seen by %s and not changed; interrupted and resumed it ends with the same bits",
    async (objective) => {
      const teacher = await taughtBy("cross-entropy");
      const before = bitsOf(teacher);
      const own = { ...student, ...looks({ every: 6 }), objective, teacher, memory: 12 };
      const whole = await trainEncoder(settings(own));
      const { teacher: _, ...alone } = own;
      expect(whole.losses[0]).not.toBe((await trainEncoder(settings({ ...alone, steps: 1 }))).losses[0]);
      expect(bitsOf(teacher)).toEqual(before);
      const checkpointFolder = temporaryFolder();
      const interrupted = settings({
        ...{ ...own, checkpointFolder, checkpointEvery: 5 },
        onProgress: (done) => {
          if (done === 8) throw new Error("power cut");
        },
      });
      await expect(trainEncoder(interrupted)).rejects.toThrow("power cut");
      const another = await taughtBy("cross-entropy", { seed: 6 });
      await expect(trainEncoder({ ...interrupted, teacher: another })).rejects.toThrow(
        /of a training with other/,
      );
      const resumed = await trainEncoder({ ...interrupted, onProgress: () => {} });
      expect(bitsOf(resumed)).toEqual(bitsOf(whole));
      expect(resumed.evaluations).toEqual(whole.evaluations);
    },
  );

  test("is refused without a classifier, with other classes, and by objectives that have no place for it", async () => {
    const train = (changes: Partial<TrainOptions>) => trainEncoder(settings({ ...student, ...changes }));
    const teacher = await taughtBy("supcon", { steps: 1 });
    await expect(train({ teacher })).rejects.toThrow(
      /trained for supcon has no classifier.*cross-entropy or supcon\+ce or cross-entropy\+mix/,
    );
    const two = await taughtBy("cross-entropy", {
      steps: 1,
      labels: photos.labels.map((label) => label % 2),
    });
    await expect(train({ teacher: two })).rejects.toThrow(/teacher knows 2 classes instead of 3/);
    await expect(train({ objective: "hscl", teacher: two })).rejects.toThrow(
      /hscl has no place for a teacher.*genscl or genscl\+mix/,
    );
  });
});

describe("mixed photos", () => {
  test.each(["cross-entropy+mix", "genscl+mix"])(
    "train %s with another loss than photos alone do",
    async (objective) => {
      const changes = { negatives: undefined, faithful: undefined, loss: {}, steps: 3 };
      const mixed = await trainEncoder(settings({ ...changes, objective, ...looks({ every: 3 }) }));
      const plain = await trainEncoder(
        settings({ ...changes, objective: objective.replace("+mix", ""), ...looks({ every: 3 }) }),
      );
      expect(mixed.losses.every((loss, step) => loss !== plain.losses[step])).toBe(true);
    },
  );

  test("show of every photo as much as the blend says, and the negatives as they are", () =>
    scope(() => {
      const grey = torch.arange(0, 24).mul(10).to("uint8").reshape([24, 1, 1, 1]).repeat([1, 3, 8, 8]);
      const negatives = { images: grey.narrow(0, 0, 2), perStep: 2 };
      const source = makeSource(
        {
          ...settings({ negatives, faithful: undefined, augment: {} }),
          ...{ objective: "cross-entropy+mix", loss: { mix: "either" }, images: grey },
        },
        3,
      );
      for (let step = 0; step < 4; step++) {
        const batch = source.batches.at(step);
        const { pixels, blend } = source.draw(batch);
        const shown = pixels
          .mean([1, 2, 3])
          .toNumbers()
          .map((value) => 255 * value);
        const photos = Array.from({ length: 2 }, () => batch.images).flat();
        for (const [row, shares] of (blend!.tolist() as number[][]).entries()) {
          expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 5);
          const expected = shares.reduce((sum, share, other) => sum + share * 10 * photos[other]!, 0);
          expect(shown[row]).toBeCloseTo(expected, 2);
        }
        for (const [column, negative] of batch.negatives.entries()) {
          expect(shown[photos.length + column]).toBeCloseTo(10 * negative, 3);
        }
      }
      source.dispose();
    }));
});

test("balanced batches train too", async () => {
  const { losses } = await trainEncoder(settings({ photosPerClass: 4, steps: 3 }));
  expect(losses.every(Number.isFinite)).toBe(true);
  expect(losses[0]).not.toBe((await trainEncoder(settings({ steps: 1 }))).losses[0]);
});

test("an average of the weights is what is kept: decay (1 + n) / (10 + n) at first, then the given one", async () => {
  const key = "network.conv1.weight";
  const had: number[][] = [];
  const checkpointFolder = temporaryFolder();
  const averaged = await trainEncoder(
    settings({
      ...{ ema: 0.2, steps: 3, checkpointFolder, checkpointEvery: 1 },
      onProgress: (done) => {
        if (done < 3) had.push(weightsIn(checkpointFolder)[key] as number[]);
      },
    }),
  );
  had.push(namedWeights(await trainEncoder(settings({ steps: 3 })))[key] as number[]);
  // With this rate a step moves no weight: they are as they were drawn.
  const still = settings({ steps: 1, optimizer: { learningRate: 1e-30, weightDecay: 0 } });
  const drawn = namedWeights(await trainEncoder(still))[key] as number[];
  const decays = [2 / 11, 0.2, 0.2];
  const expected = drawn.map((start, i) =>
    had.reduce((mean, w, n) => decays[n]! * mean + (1 - decays[n]!) * w[i]!, start),
  );
  const own = namedWeights(averaged)[key] as number[];
  expect(Math.max(...own.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-6);
});

describe("frozen features", () => {
  test("do not depend on the batch size beyond rounding, and not on training mode", async () => {
    const { encoder } = await trainEncoder(settings({ steps: 3 }));
    scope(() => {
      const whole = extractFeatures(encoder, photos.images).toNumbers();
      encoder.train();
      const single = extractFeatures(encoder, photos.images, { batchSize: 1 }).toNumbers();
      expect(encoder.training).toBe(true);
      const largest = Math.max(...whole);
      for (const [i, value] of whole.entries()) {
        expect(Math.abs((single[i] as number) - value)).toBeLessThan(1e-5 * largest); // summation order differs
      }
      expect(() => extractFeatures(encoder, photos.images.to("float32"))).toThrow(/needs uint8/);
    });
  });

  test("are the same bits after saving and loading", async () => {
    const trained = await trainEncoder(settings());
    const folder = temporaryFolder();
    saveEncoder(folder, trained);
    expect(readdirSync(folder).sort()).toEqual(["encoder.json", "encoder.safetensors", "head.safetensors"]);
    const loaded = loadEncoder(folder);
    expect(bitsOf(loaded)).toEqual(bitsOf(trained));
    expect({ ...loaded, encoder: null, head: null }).toEqual({ ...trained, encoder: null, head: null });
    scope(() => {
      const [before, after] = [trained, loaded].map(({ encoder }) =>
        extractFeatures(encoder, photos.images).toNumbers(),
      );
      expect(after).toEqual(before);
    });
    expect(Object.keys(torch.safetensors.read(join(folder, "encoder.safetensors")).tensors)).toContain(
      "layer2.0.downsample.0.weight",
    );
    expect(() => loadEncoder(temporaryFolder())).toThrow(/There is no encoder at .*Train one first/);
  });
});

describe("what cannot be trained is refused with what to do", () => {
  const refused: [string, Partial<TrainOptions>, RegExp][] = [
    ["another number of labels", { labels: [0, 1] }, /2 labels for 24 images/],
    ["one class", { labels: photos.labels.map(() => 0) }, /all images are of one class.*two classes/],
    ["images that are no bytes", { images: photos.images.to("float32") }, /images are float32 .*Pass uint8/],
    ["no steps", { steps: 0 }, /steps is 0/],
    [
      "negatives as columns for cross-entropy",
      {
        objective: "cross-entropy",
        loss: {},
        negatives: { images: outliers.images, perStep: 2, use: "columns" },
      },
      /cross-entropy cannot use negatives as "columns".*extra-class or outlier-exposure or energy/,
    ],
    ["classes that do not fill a batch", { photosPerClass: 3 }, /batch of 8 photos cannot have 3/],
    [
      "a memory for an objective that has no place for it",
      { objective: "cross-entropy", loss: {}, negatives: undefined, memory: 8 },
      /cross-entropy has no place for past projections.*take supcon or supcon\+ce or .*genscl or hscl/,
    ],
    ["an average that never moves", { ema: 1 }, /ema is 1.*below 1/],
    [
      "validation photos without a label each",
      { evaluation: { images: validation.images, labels: [0], every: 1 } },
      /1 labels for 18 validation photos/,
    ],
    ["looks after no steps", looks({ every: 0 }), /evaluation.every is 0/],
    ["patience without an aim", looks({ patience: 2 }), /what better means.*Set evaluation.keep/],
    [
      "negatives for an objective that has no place for them",
      {
        objective: "plain",
        objectives: { plain: { ...objectives["cross-entropy"], negatives: {} } as unknown as Objective },
        loss: {},
      },
      /no place for negatives.*leave them out/,
    ],
    [
      "negatives of another size",
      { negatives: { images: torch.zeros([2, 3, 8, 8], { dtype: "uint8" }), perStep: 1 } },
      /negatives have the size 8 x 8, the images 16 x 16/,
    ],
    [
      "source-class scope without labels",
      { negatives: { images: outliers.images, perStep: 2 }, loss: { negativeScope: "source-class" } },
      /Pass "negatives.labels"/,
    ],
    [
      "a parent that does not exist",
      { faithful: { images: redraws.images, parents: redraws.labels.map(() => 24) } },
      /parent 24 is none of 24 images/,
    ],
  ];
  for (const [name, changes, message] of refused) {
    test(name, async () => {
      const attempt = trainEncoder(settings(changes));
      await expect(attempt).rejects.toThrow(ContrastError);
      await expect(attempt).rejects.toThrow(message);
    });
  }
});
