import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualSeed, nn, noGrad, scope, type Tensor, tensor } from "@penumbra/torch";
import { afterAll, describe, expect, test } from "vitest";
import {
  type GanObjectiveName,
  GanSettings,
  GanTrainee,
  type GanTraineeOptions,
} from "../../../src/generators/gan/index.ts";
import { truncated } from "../../../src/generators/gan/model.ts";
import { generatorNamed } from "../../../src/generators/index.ts";
import { collapseNote, diversity } from "../../../src/generators/trainer/collapse.ts";
import { asFloat } from "../../../src/generators/trainer/photo-batches.ts";
import type { AdversarialGenerator, Discriminator } from "../../../src/models/index.ts";
import {
  classesShown,
  discsAndFrames,
  eightGaussians,
  mlp,
  modesOf,
  normal,
  toyCorpus,
  withClass,
} from "../toys.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-gan-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

class PointGenerator extends nn.Module<[Tensor, Tensor]> implements AdversarialGenerator {
  readonly latentSize = 2;
  readonly layers = mlp(3, 64, 64, 2);

  forward(z: Tensor, labels: Tensor): Tensor {
    return this.layers.forward(withClass(z, labels));
  }
}

class PointDiscriminator extends nn.Module<[Tensor, Tensor]> implements Discriminator {
  readonly layers = mlp(3, 64, 64, 1);

  forward(x: Tensor, labels: Tensor): Tensor {
    return this.layers.forward(withClass(x, labels)).squeeze(1);
  }
}

/** @returns the averaged generator, and what the last step said */
function trainPoints(objective: GanObjectiveName, steps: number, changes: Partial<GanTraineeOptions> = {}) {
  manualSeed(1);
  const average = new PointGenerator();
  const trainee = new GanTrainee({
    ...{ generator: new PointGenerator(), discriminator: new PointDiscriminator() },
    ...{ average, early: new PointGenerator(), batches: eightGaussians(0, 128), compute: (fn) => fn() },
    ...{ seed: 0, learningRate: 1e-2, objective, r1: 0.05, gradientPenalty: 0 },
    ...{ discriminatorSteps: 1, augment: false, emaDecay: 0.98, earlyShare: 0.1 },
    ...changes,
  });
  let losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    scope(() => {
      const tensors = trainee.step(step, 1e-2 * (1 - step / steps), step / steps);
      losses = tensors.map((loss) => loss.item());
    });
  }
  return { average, trainee, losses };
}

describe.each([
  ["non-saturating", 0.6],
  ["hinge", 0.6],
  ["minimax", 0.5],
] as const)("eight Gaussians of two classes, %s loss", (objective, least) => {
  test("are all drawn, each under its class; the discriminator cannot tell any more", () => {
    const { average, trainee, losses } = trainPoints(objective, 600);
    const labels = eightGaussians(6, 1000).at(0).labels;
    const drawn = (network: PointGenerator) => noGrad(() => network.forward(normal([1000, 2], 9), labels));
    const points = drawn(average);
    const { modes, precision } = modesOf(points, labels);
    expect(modes).toBe(8);
    expect(precision).toBeGreaterThan(least); // 0.13 for a normal distribution of their covariance
    // Jensen-Shannon divergence in nats, at most 0.69; of the hinge a gap of logits, about 2 where it is certain.
    expect(losses[2]).toBeLessThan(objective === "hinge" ? 1 : 0.1);
    expect(diversity(asSheet(points), asSheet(eightGaussians(4, 500).at(0).x))).toBeCloseTo(1, 0);
    const early = trainee.early.network as PointGenerator;
    expect(modesOf(drawn(early), labels).precision).toBeLessThan(precision - 0.1);
  });
});

test("eight Gaussians of two classes are all drawn by WGAN-GP too", () => {
  const critic = { r1: 0, gradientPenalty: 0.1, discriminatorSteps: 3 };
  const { average } = trainPoints("wasserstein", 400, critic);
  const labels = eightGaussians(6, 1000).at(0).labels;
  const { modes, precision } = modesOf(
    noGrad(() => average.forward(normal([1000, 2], 9), labels)),
    labels,
  );
  expect(modes).toBe(8);
  expect(precision).toBeGreaterThan(0.5); // 0.13 for a normal distribution of their covariance; 0.63 measured
});

/** Points as images of two channels. */
function asSheet(points: Tensor): Tensor {
  return points.view([-1, 2, 1, 1]).expand([-1, -1, 16, 16]);
}

test("mode collapse is noticed and told with what to do", () => {
  const photos = asFloat(discsAndFrames(16).images);
  expect(diversity(photos, photos)).toBeCloseTo(1, 5);
  expect(collapseNote(1)).toBeNull();
  const noise = normal(photos.shape, 1).mul(0.01);
  const same = photos.narrow(0, 0, 1).expand(photos.shape).add(noise);
  const share = diversity(same, photos);
  expect(share).toBeLessThan(0.1);
  expect(collapseNote(share)).toMatch(/Mode collapse.*Train with augment/);
});

test("truncated latents lie within the bound, keep their order, and are untouched far out", () => {
  const z = normal([2000, 1], 4);
  const inside = truncated(z, tensor([[0.5]]));
  expect(inside.abs().max().item()).toBeLessThanOrEqual(0.5);
  const order = (x: Tensor) => x.flatten().argsort().toNumbers();
  expect(order(inside)).toEqual(order(z));
  expect(
    truncated(z, tensor([[6]]))
      .sub(z)
      .abs()
      .max()
      .item(),
  ).toBeLessThan(1e-3);
});

test("pictures of two classes: nearly every one that it draws shows the class that was asked for", async () => {
  const out = join(scratch, "classes");
  const settings = GanSettings.parse({
    ...{ imageSize: 16, precision: "fp32", steps: 300, batchSize: 16, learningRate: 2e-3, latentSize: 8 },
    ...{ width: 16, emaDecay: 0.95, seed: 1, checkpointMinutes: 99, logSeconds: 999, sheetMinutes: 99 },
  });
  await generatorNamed("gan").train({ corpus: toyCorpus, out, tokenizer: scratch, settings });
  const items = Array.from({ length: 48 }, (_, i) => ({
    ...{ photo: 0, otherPhoto: 0, label: i % 2, otherLabel: 0, dial: 0.8, seed: i },
  }));
  const drawn = generatorNamed("gan")
    .artist!.load(out)
    .draw("truncated", items, asFloat(discsAndFrames(16).images));
  const right = classesShown(drawn).filter((label, i) => label === i % 2);
  expect(right.length / items.length).toBeGreaterThan(0.85); // 0.5 by chance; 1 measured
});

const STEPS = 14;
const options = (out: string, changes: object = {}) => ({
  corpus: toyCorpus,
  out: join(scratch, out),
  tokenizer: scratch,
  settings: GanSettings.parse({
    ...{ imageSize: 16, precision: "fp32", steps: STEPS, batchSize: 8, learningRate: 2e-3 },
    ...{ latentSize: 8, width: 8, emaDecay: 0.9, checkpointMinutes: 0, logSeconds: 0, sheetMinutes: 60 },
    ...changes,
  }),
});

test.each([
  ["dcgan", STEPS],
  ["residual", 6],
] as const)("trains on pictures of two classes and draws by every way: %s", async (architecture, steps) => {
  const given = options(architecture, { architecture, steps });
  const lines: string[] = [];
  const onLine = (line: string) => lines.push(line);
  expect(await generatorNamed("gan").train({ ...given, onLine })).toBe(given.out);
  expect(lines.some((line) => line.includes("jensen-shannon"))).toBe(true);
  expect(lines.some((line) => /diversity of samples.*recall of photos/.test(line))).toBe(true);
  expect(readFileSync(join(given.out, "README.md"), "utf8")).toContain(`| gan | ${steps} | 8 |`);
  const { artist } = generatorNamed("gan");
  const model = artist!.load(given.out);
  const photos = asFloat(discsAndFrames(16).images);
  const item = { photo: 0, otherPhoto: 1, label: 0, otherLabel: 1, dial: 0.5, seed: 3 };
  const images = Object.keys(artist!.ways).map((way) => {
    const alone = model.draw(way, [item], photos);
    const among = model.draw(way, [{ ...item, seed: 4 }, item, { ...item, label: 1, otherLabel: 0 }], photos);
    expect(alone.shape, way).toEqual([1, 3, 16, 16]);
    expect(among.select(0, 1).sub(alone.select(0, 0)).abs().max().item(), way).toBeLessThan(1e-4);
    return alone;
  });
  for (const [i, image] of images.slice(1).entries())
    expect(image.sub(images[i]!).abs().max().item()).toBeGreaterThan(1e-3);
  const spreadOf = (dial: number) => {
    const items = Array.from({ length: 16 }, (_, seed) => ({ ...item, seed, dial }));
    return diversity(model.draw("truncated", items, photos), photos);
  };
  expect(spreadOf(0.1)).toBeLessThan(0.5 * spreadOf(3));
});

test("learns with WGAN-GP, and refuses the difference of means without a penalty", async () => {
  const changes = { objective: "wasserstein", r1: 0, steps: 4, discriminatorSteps: 2 };
  expect(GanSettings.safeParse(changes).error?.issues[0]?.message).toMatch(/has no bound/);
  const given = options("wgan", { ...changes, gradientPenalty: 10 });
  const lines: string[] = [];
  await generatorNamed("gan").train({ ...given, onLine: (line) => lines.push(line) });
  expect(lines.some((line) => line.includes("gap"))).toBe(true);
});

test("crashed and started again, it ends with the same bits", async () => {
  const given = options("crashed");
  for (const crash of ["gan: step 3 ", "gan: step 9 "]) {
    const onLine = (line: string) => {
      if (line.startsWith(crash)) throw new Error("the power went out");
    };
    await expect(generatorNamed("gan").train({ ...given, onLine })).rejects.toThrow("the power went out");
    expect(existsSync(given.out)).toBe(false);
  }
  await generatorNamed("gan").train(given);
  for (const file of ["model", "early", "discriminator"]) {
    const [one, other] = ["dcgan", "crashed"].map((name) =>
      readFileSync(join(scratch, name, `${file}.safetensors`)),
    );
    expect(one!.equals(other!), file).toBe(true);
  }
});

test("a loss that is no longer finite stops with the step and the remedy", async () => {
  const given = options("diverged", { learningRate: 1e30, logSeconds: 60, checkpointMinutes: 60 });
  await expect(generatorNamed("gan").train(given)).rejects.toThrow(/diverged at step \d+: .* Lower its/);
});
