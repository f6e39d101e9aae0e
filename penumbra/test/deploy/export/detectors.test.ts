import * as torch from "@penumbra/torch";
import { describe, expect, it, test } from "vitest";
import {
  drawDetector,
  exportableDetectors,
  requireExportable,
} from "../../../src/deploy/export/detectors.ts";
import { Graph } from "../../../src/deploy/export/onnx/graph.ts";
import { type Detector, detectorNames, detectors } from "../../../src/unknowns/index.ts";
import { runGraph } from "./run-graph.ts";

const [CLASSES, WIDTHS] = [4, [5, 7, 12]] as const;

/** Photos of classes that lie apart, as an encoder of three stages and a classifier see them. */
function samples(count: number, seed: number) {
  torch.manualSeed(seed);
  const labels = Array.from({ length: count }, (_, i) => i % CLASSES);
  const index = torch.tensor(labels, { dtype: "int64" });
  const stages = WIDTHS.map((width) => {
    const centres = torch
      .arange(CLASSES * width, { dtype: "float64" })
      .sin()
      .mul(2)
      .view([CLASSES, width]);
    return centres
      .indexSelect(0, index)
      .add(torch.randn([count, width], { dtype: "float64" }))
      .relu();
  });
  const features = stages.at(-1)!;
  const weight = torch
    .arange(CLASSES * 12, { dtype: "float64" })
    .cos()
    .view([CLASSES, 12]);
  const bias = torch.linspace(-1, 1, CLASSES, { dtype: "float64" });
  const logits = features.matmul(weight.t()).add(bias);
  return { labels, stages, features, logits, classifier: { weight, bias } };
}

describe.each(exportableDetectors)("%s", (name) => {
  const detector: Detector = detectors[name as keyof typeof detectors];
  const train = samples(40, 1);
  const fresh = samples(9, 2);
  const candidates = detector.tuning?.candidates({}, 40) ?? [{}];

  it(`scores the same with all of its ${candidates.length} usual settings`, async () => {
    for (const options of candidates) {
      const fitted = detector.fit(train, options);
      const graph = new Graph();
      const input = (value: string, width: number) => graph.input(value, "float64", ["N", width]);
      const stages = WIDTHS.map((width, i) => input(`stage${i}`, width));
      const evidence = {
        ...{ stages, features: stages.at(-1)!, logits: input("logits", CLASSES) },
        classifier: fresh.classifier,
      };
      graph.output("score", drawDetector(graph, name, fitted.state, evidence), "float64", ["N"]);
      const feed = (tensor: torch.Tensor) => ({
        ...{ type: "float64", dims: [...tensor.shape] },
        data: tensor.toTyped() as Float64Array,
      });
      const { score } = await runGraph(graph, {
        logits: feed(fresh.logits),
        ...Object.fromEntries(fresh.stages.map((rows, i) => [`stage${i}`, feed(rows)])),
      });
      const wanted = fitted.score(fresh);
      const scale = Math.max(...wanted.map(Math.abs));
      for (const [i, value] of wanted.entries())
        expect(Math.abs((score!.data[i] as number) - value) / scale).toBeLessThan(1e-12);
    }
  });
});

test("every detector can be exported, or is refused with the reason", () => {
  const refused = detectorNames.filter((name) => !exportableDetectors.includes(name));
  const ofFeatures = refused.filter((name) => !detectors[name].needs.some((need) => need === "pixels"));
  expect(ofFeatures).toEqual(["ash-b"]);
  for (const name of refused) expect(() => requireExportable(name)).toThrow(`"${name}" cannot be exported`);
  expect(() => requireExportable("reconstruction")).toThrow(/it looks at the pixels of each photo/);
  expect(() => requireExportable("odin")).toThrow(
    /"odin" cannot be exported to ONNX: it moves the pixels along the gradient.*Train with another one/,
  );
  expect(() => requireExportable("my-own")).toThrow(/"my-own" cannot be exported/);
});
