import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encoderNetworkNames } from "../../src/models/index.ts";
import { parseConfig, settleImages, TABLES } from "../../src/study/config/index.ts";
import { describeEstimate, estimateStudy, type Workload } from "../../src/study/estimate.ts";

const demo = `
photos: photos
seeds: [0, 1]
arms: [cross-entropy, supcon, supcon+faithful, supcon+near-ood, supcon+both]
words: {steps: 60, batchSize: 2}
redraw:
  steps: 10
  guidanceScale: 3
  recipes:
    faithful: {strengths: [0.2, 0.35], variants: 1}
    drift: {strengths: [0.8, 0.9], variants: 1}
    crossed: {strengths: [0.6, 0.7], variants: 1}
encoder: {steps: 120, batchSize: 48, negatives: 24}
`;
const mini = { imageSize: 64, denoiserParameters: 7.08e6 };
const load = (text = demo, rest: Partial<Workload> = {}): Workload => ({
  config: settleImages(parseConfig(text, "study.yaml"), null),
  tables: TABLES,
  knownClasses: 8,
  trainPhotos: 192,
  validationPhotos: 256,
  photos: 2048,
  model: mini,
  cores: 2,
  ...rest,
});
const estimate = (text?: string, rest?: Partial<Workload>) => estimateStudy(load(text, rest))!;
const total = ({ words, redraws, encoders, rest }: ReturnType<typeof estimate>) =>
  words + redraws + encoders + rest;

describe("the time of a study", () => {
  it("holds the 4:51 minutes that the demo was measured to take on two cores", () => {
    const { low, high } = estimate();
    expect(low).toBeLessThan(291);
    expect(high).toBeGreaterThan(291);
    expect(high / low).toBeLessThanOrEqual(6);
  });

  it("grows with classes, photos, seeds, steps and the model as the work does", () => {
    const more = (text: string, rest: Partial<Workload> = {}) => estimate(text, rest);
    const one = estimate();
    expect(more(demo, { knownClasses: 300 }).words).toBeCloseTo((one.words * 300) / 8);
    expect(more(demo, { trainPhotos: 384 }).redraws).toBeCloseTo(2 * one.redraws);
    expect(total(more(demo.replace("[0, 1]", "[0, 1, 2, 3]")))).toBeCloseTo(2 * total(one));
    expect(more(demo.replace("steps: 120", "steps: 240")).encoders).toBeCloseTo(2 * one.encoders);
    const large = { imageSize: 128, denoiserParameters: 2 * 7.08e6 };
    expect(more(demo, { model: large }).redraws).toBeCloseTo(8 * one.redraws);
    expect(more(demo, { cores: 4 }).words).toBeCloseTo(one.words / 2);
  });

  it("grows by looks at photos, as many as there are, and by a teacher that is trained and asked", () => {
    const plain = estimate().encoders;
    const looking = (every: number) =>
      estimate(demo.replace("encoder: {", `encoder: {evaluation: {every: ${every}}, `)).encoders - plain;
    expect(looking(20)).toBeCloseTo(3 * looking(60));
    expect(looking(50)).toBeCloseTo(3 * looking(120)); // 120 steps end with a look
    // Of five arms: 192 + 256 features and twice 6 batches of 48 photos in two views, forwards alone.
    const steps = 5 * 120 * 96 + 2 * 120 * 24;
    expect(looking(120) / plain).toBeCloseTo((5 * (192 + 256 + 2 * 6 * 96)) / 3 / steps);
    const only = (arms: string) =>
      estimate(demo.replace(/arms: .*/, `arms: [${arms}]`), { model: undefined }).encoders;
    expect(only("genscl+teacher") / only("genscl")).toBeCloseTo(2 + 1 / 3);
    expect(only("cross-entropy, genscl+teacher") / only("genscl")).toBeCloseTo(2 + 1 / 3);
  });

  it("of frozen encoders is that of the features, made once for all arms and seeds", () => {
    const frozen = estimate("photos: x\nencoder: {weights: w.safetensors}\narms: [frozen]\nseeds: [0]\n", {
      model: undefined,
    });
    expect(frozen.encoders).toBe(0);
    expect(frozen.rest).toBeGreaterThan(0);
    const more = estimate(
      "photos: x\nencoder: {weights: w.safetensors}\narms: [frozen]\nseeds: [0, 1, 2]\n",
      { model: undefined },
    );
    expect(more.rest).toBe(frozen.rest);
    const whole = estimate("photos: x\narms: [supcon]\nseeds: [0, 1, 2]\n", { model: undefined });
    expect(whole.rest).toBeCloseTo(3 * frozen.rest);
  });

  it("counts no diffusion where no arm draws, and says nothing of a GPU", () => {
    const plain = estimate("photos: x\narms: [cross-entropy]\n", { model: undefined });
    expect([plain.words, plain.redraws]).toEqual([0, 0]);
    expect(plain.encoders).toBeGreaterThan(0);
    expect(estimateStudy(load(`${demo}device: cuda\n`))).toBeUndefined();
  });

  it("is positive and finite for every network of the table", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...encoderNetworkNames),
        fc.integer({ min: 1, max: 64 }),
        (network, cores) => {
          const { encoders } = estimate(demo.replace("encoder: {", `encoder: {network: ${network}, `), {
            cores,
          });
          expect(encoders > 0 && Number.isFinite(encoders)).toBe(true);
        },
      ),
    );
  });

  it("is one line with a range and where the time goes", () => {
    const text = describeEstimate(estimate(), (seconds) => `${Math.round(seconds)} s`);
    expect(text).toMatch(/^Time: \d+ s to \d+ s on 2 cores without a GPU, .*\(words \d+ %, .*encoders \d+ %/);
  });
});
