import * as torch from "@penumbra/torch";
import { Generator, type Tensor } from "@penumbra/torch";
import { expect, it } from "vitest";
import { TABLES } from "../../../src/study/index.ts";
import { NO_SAMPLES, type PartSamples, type UnitSamples } from "../../../src/study/stages/samples.ts";
import { scorePhotos } from "../../../src/study/stages/score-unit.ts";
import { detectorOf, type FittedDetector } from "../../../src/unknowns/index.ts";

const CLASSES = ["bolt", "nut", "gear"];
const generator = new Generator({ seed: 3 });
const classifier = { weight: torch.randn([3, 4], { generator }), bias: torch.randn([3], { generator }) };

function part(items: number): PartSamples {
  const labels = Array.from({ length: items }, (_, item) => item % 3);
  const features = torch
    .randn([items, 4], { generator })
    .add(torch.tensor(labels).unsqueeze(1).to("float32"));
  return {
    ids: labels.map((_, item) => `${item}.png`),
    objects: labels.map((_, item) => `${item}`),
    classNames: labels.map((label) => CLASSES[label]!),
    labels,
    evidence: {
      ...{ features, stages: [features], classifier },
      logits: features.matmul(classifier.weight.t()).add(classifier.bias),
    },
  };
}

it("scores a part of many photos in blocks as it would score all at once, and names each of them", async () => {
  const samples: UnitSamples = {
    ...{ train: part(60), validation: part(30), nearValidation: part(30), test: part(20_000) },
    ...{ nearTest: part(9000), farTest: NO_SAMPLES, standIns: NO_SAMPLES, synthetic: NO_SAMPLES },
  };
  const detectors = ["msp", "knn", "mahalanobis", "relative-mahalanobis"];
  const fits = new Map<string, FittedDetector>();
  const { scores } = await scorePhotos(samples, {
    ...{ detectors, tuning: { knn: { k: [1] } }, table: TABLES.detectors, classes: CLASSES, fits },
  });
  const answers = (samples.test.evidence!.logits.argmax({ dim: 1 }) as Tensor).tolist();
  expect(scores.parts.test.answers).toEqual(answers);
  expect(scores.parts.farTest.scores).toEqual(Object.fromEntries(detectors.map((name) => [name, []])));
  for (const name of detectors) {
    const detector = detectorOf(name, TABLES.detectors);
    const { evidence, labels, objects } = samples.train;
    const whole = detector.fit({ ...evidence, labels, objects });
    for (const own of ["test", "nearTest"] as const) {
      const wanted = whole.score(samples[own].evidence!);
      const found = scores.parts[own].scores[name]!;
      expect(found).toHaveLength(wanted.length);
      const furthest = wanted.reduce(
        (most, value, item) => Math.max(most, Math.abs(value - found[item]!)),
        0,
      );
      expect(furthest, name).toBeLessThan(1e-9);
    }
  }
});
