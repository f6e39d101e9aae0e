import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualSeed, nn, noGrad, safetensors, scope, type Tensor } from "@penumbra/torch";
import { afterAll, expect, test } from "vitest";
import { generatorNamed } from "../../../src/generators/index.ts";
import { asFloat } from "../../../src/generators/trainer/photo-batches.ts";
import { VaeSettings, VaeTrainee } from "../../../src/generators/vae/index.ts";
import type { LatentAutoencoder, Posterior } from "../../../src/models/index.ts";
import { discsAndFrames, eightGaussians, mlp, modesOf, normal, toyCorpus } from "../toys.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-vae-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** An autoencoder of points. */
class PointVae extends nn.Module<[Tensor]> implements LatentAutoencoder {
  readonly latentSize = 2;
  readonly encoder = mlp(2, 48, 48, 4);
  readonly decoder = mlp(2, 48, 48, 2);

  encode(x: Tensor): Posterior {
    const [mean, logvar] = this.encoder.forward(x).chunk(2, { dim: 1 }) as [Tensor, Tensor];
    return { mean, logvar };
  }

  decode(z: Tensor): Tensor {
    return this.decoder.forward(z);
  }

  forward(x: Tensor): Tensor {
    return this.decode(this.encode(x).mean);
  }
}

/** @returns the averaged network, and the last losses */
function trainPoints(beta: number, steps: number): { name: string; network: PointVae; losses: number[] } {
  manualSeed(1);
  const average = new PointVae();
  const trainee = new VaeTrainee({
    network: new PointVae(),
    average,
    batches: eightGaussians(0, 128),
    compute: (fn) => fn(),
    ...{ seed: 0, learningRate: 3e-3, reconstruction: "mse", beta, freeBits: 0, emaDecay: 0.98 },
  });
  let losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    scope(() => {
      const tensors = trainee.step(step, 3e-3 * (1 - step / steps));
      if (step === steps - 1) losses = tensors.map((loss) => loss.item());
    });
  }
  return { name: trainee.name, network: average, losses };
}

test("learns eight Gaussians: all come back, and samples of the prior show them all", () => {
  // Their variance is 0.01, that of the likelihood 1: so much must the prior weigh.
  const { network } = trainPoints(0.01, 1000);
  const { x } = eightGaussians(3, 500).at(0);
  const [back, drawn] = noGrad(() => [network.forward(x), network.decode(normal([1000, 2], 9))]);
  expect(modesOf(back!).precision).toBeGreaterThan(0.95);
  const { modes, precision } = modesOf(drawn!);
  expect(modes).toBe(8);
  expect(precision).toBeGreaterThan(0.45); // 0.27 for a normal distribution of their covariance
});

test("without a prior it is an autoencoder: nothing is drawn, and points come back as they are", () => {
  const { name, network, losses } = trainPoints(0, 500);
  expect(name).toBe("autoencoder");
  const { x } = eightGaussians(3, 200).at(0);
  expect(noGrad(() => network.forward(x).sub(x).abs().mean().item())).toBeLessThan(0.05);
  expect(losses[0]).toBe(losses[1]); // the reconstruction alone
});

const STEPS = 40;
const settings = (changes: object = {}) =>
  VaeSettings.parse({
    ...{ imageSize: 16, precision: "fp32", steps: STEPS, batchSize: 12, learningRate: 3e-3, warmup: 5 },
    ...{ latentSize: 8, width: 8, emaDecay: 0.9, checkpointMinutes: 0, logSeconds: 0, sheetMinutes: 60 },
    ...changes,
  });

const options = (out: string, changes: object = {}) => ({
  corpus: toyCorpus,
  out: join(scratch, out),
  tokenizer: scratch,
  dataNote: "Drawn for this test, CC0.",
  settings: settings(changes),
});

test("learns pictures of two classes, tells the class, and draws by every way", async () => {
  const given = options("whole");
  const lines: string[] = [];
  expect(await generatorNamed("vae").train({ ...given, onLine: (line) => lines.push(line) })).toBe(given.out);
  const card = readFileSync(join(given.out, "README.md"), "utf8");
  expect(card).toContain(`| vae | ${STEPS} | 12 |`);
  expect(card).toContain("Classes: disc, frame.");
  expect(existsSync(join(given.out, "samples.webp"))).toBe(true);
  const { artist } = generatorNamed("vae");
  const model = artist!.load(given.out);
  expect([model.imageSize, model.classes]).toEqual([16, ["disc", "frame"]]);
  const photos = asFloat(discsAndFrames(16).images);
  const base = { photo: 0, otherPhoto: 1, label: 0, otherLabel: 1 };
  const error = (dial: number) =>
    model
      .draw("posterior", [{ ...base, dial, seed: 1 }], photos)
      .sub(photos.narrow(0, 0, 1))
      .abs()
      .mean()
      .item();
  expect(error(0)).toBeLessThan(0.25); // of a range of 2
  for (const way of Object.keys(artist!.ways)) {
    const item = { ...base, dial: 0.5, seed: 3 };
    const alone = model.draw(way, [item], photos);
    const among = model.draw(way, [{ ...item, seed: 4 }, item, { ...item, photo: 2 }], photos);
    expect(alone.shape, way).toEqual([1, 3, 16, 16]);
    expect(among.select(0, 1).sub(alone.select(0, 0)).abs().max().item(), way).toBeLessThan(1e-4);
  }
  const [own, other] = [0, 1].map((dial) =>
    model.draw("interpolation", [{ ...base, dial, seed: 3 }], photos),
  );
  const gap = (a: Tensor, row: number) =>
    a
      .sub(photos.narrow(0, row, 1))
      .abs()
      .mean()
      .item();
  expect(gap(own!, 0)).toBeLessThan(gap(own!, 1));
  expect(gap(other!, 1)).toBeLessThan(gap(other!, 0));
});

test("crashed and started again, it ends with the same bits", async () => {
  const given = options("crashed");
  for (const crash of ["vae: step 7 ", "vae: step 31 "]) {
    const onLine = (line: string) => {
      if (line.startsWith(crash)) throw new Error("the power went out");
    };
    await expect(generatorNamed("vae").train({ ...given, onLine })).rejects.toThrow("the power went out");
    expect(existsSync(given.out)).toBe(false);
  }
  await generatorNamed("vae").train(given);
  for (const file of ["model.safetensors", "latents.safetensors"]) {
    const [one, other] = ["whole", "crashed"].map((name) => readFileSync(join(scratch, name, file)));
    expect(one!.equals(other!), file).toBe(true);
  }
});

test("goes on from a finished model, with other classes too, and refuses other sizes", async () => {
  const given = options("further", { steps: 1, learningRate: 1e-9 });
  const renamed = async ({ size }: { size: number }) => ({
    ...discsAndFrames(size),
    captions: ["washer", "gasket"],
  });
  const from = join(scratch, "whole");
  await generatorNamed("vae").train({ ...given, from, corpus: renamed });
  const [before, after] = [from, given.out].map(
    (folder) => safetensors.read(join(folder, "model.safetensors")).tensors,
  );
  for (const [name, value] of Object.entries(before!)) {
    const isSame = after![name]!.sub(value).abs().max().item() < 1e-5;
    expect(isSame, name).toBe(name !== "class_embedding.weight");
  }
  const runs = JSON.parse(readFileSync(join(given.out, "training.json"), "utf8")).runs;
  expect(runs).toHaveLength(2);
  const wider = options("wider", { width: 16 });
  await expect(generatorNamed("vae").train({ ...wider, from })).rejects.toThrow(/has other sizes/);
});

test("a loss that is no longer finite stops with the step and the remedy", async () => {
  const given = options("diverged", { learningRate: 1e30, warmup: 0, logSeconds: 60, checkpointMinutes: 60 });
  await expect(generatorNamed("vae").train(given)).rejects.toThrow(
    /diverged at step \d+: .*(NaN|Infinity).* Lower its learningRate/,
  );
  expect(existsSync(given.out)).toBe(false);
});

test("a folder that holds no model, or another generator's, is refused", () => {
  const { artist } = generatorNamed("vae");
  expect(() => artist!.load(scratch)).toThrow(/no generator.json/);
  const other = join(scratch, "other");
  cpSync(join(scratch, "whole"), other, { recursive: true });
  const path = join(other, "generator.json");
  writeFileSync(path, readFileSync(path, "utf8").replace('"vae"', '"gan"'));
  expect(() => artist!.load(other)).toThrow(/a model of the generator "gan", not "vae"/);
});
