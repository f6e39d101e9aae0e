import type { Outcome } from "../../results/index.ts";
import { html } from "../html.ts";
import { counted, listed, percent } from "../numbers.ts";
import {
  bibliography,
  REDRAW_REFERENCES,
  REFERENCES_OF,
  type ReferenceKey,
  referencesOf,
  referencesOfSource,
} from "../references.ts";
import { titleOf } from "../titles.ts";
import { joined } from "../words/index.ts";
import { neighboursOf } from "./map.ts";
import type { Section } from "./section.ts";

const cite = (keys: readonly ReferenceKey[] | undefined) =>
  keys && keys.length > 0 ? ` \\cite{${keys.join(",")}}` : "";

/** What the study did, as a paragraph for a thesis or a paper: LaTeX's citations, numbers from the study itself. */
export function methodsParagraph(outcome: Outcome): string {
  const { photos, arms, seeds, training, model, machine, confidence, margin, hypotheses } = outcome;
  const { imageSize, network, isPretrained, trained, steps, batchSize, shots, validation } = training;
  const objectives = [...new Set(arms.map(({ objective }) => objective))].filter((name) => name !== "none");
  const uses = [...new Set(arms.flatMap(({ use }) => (use === null ? [] : [use])))];
  const sources = [...new Set(arms.flatMap(({ positives, negatives }) => [positives, negatives]))].filter(
    (name) => name !== null,
  );
  const neighbours = neighboursOf(outcome);
  const sentences = [
    `We used ${counted(photos.known.photos, "photo")} of ${counted(photos.known.objects, "physical object")} in ${counted(photos.known.classes, "known class", "known classes")}, ${unknowns(outcome)}, at ${imageSize} x ${imageSize} pixels.`,
    `Photos were divided by physical object: for each of ${counted(seeds.length, "seed")}, ${shots} objects of a class to learn from, ${validation} set aside once for every choice, the rest for the test.`,
    objectives.length > 0 &&
      `Encoders (${network}${isPretrained ? ", from published weights" : ", from random weights"}${trained === "full" ? "" : `, ${trained} trained`}) were trained for ${steps} steps on batches of ${counted(batchSize, "photo")} with ${listed(objectives.map((name) => `${titleOf(outcome.objectives, name)}${cite(REFERENCES_OF.objectives[name])}`))}, followed by a linear classifier on the frozen features.`,
    sources.length > 0 &&
      `Beside real photos, arms had ${listed(sources.map((name) => `${titleOf(outcome.sources, name)}${cite(referencesOfSource(name))}`))}${uses.length > 0 ? ` (use of negatives: ${listed(uses.map((name) => `${titleOf(outcome.uses, name)}${cite(REFERENCES_OF.uses[name])}`))})` : ""}.`,
    model &&
      `Redraws were drawn by ${model.name} with a word learned for each class${cite(REDRAW_REFERENCES)}.`,
    `Unknowns were told by ${listed(outcome.detectors.map(({ name, title }) => `${title}${cite(REFERENCES_OF.detectors[name])}`))}. ${outcome.detectorReason}`,
    neighbours.length > 0 &&
      `Features were laid out in the plane by UMAP${cite(["mcinnes2018"])} with ${listed(neighbours)} neighbours, from their first two principal components.`,
    `Differences between arms are paired by seed; their ${percent(confidence, 0)} % intervals add the variance between seeds and that of a bootstrap over test objects, with Satterthwaite's degrees of freedom${cite(["satterthwaite1946"])}; differences below ${percent(margin)} points count as none.`,
    hypotheses.length > 0 &&
      `The p-values of ${counted(hypotheses.length, "hypothesis", "hypotheses")} were corrected by Holm's procedure${cite(["holm1979"])}.`,
    `Computed with Penumbra ${machine.penumbra} (libtorch ${machine.libtorch}, ${machine.precision}) on ${machine.processor}.`,
  ];
  return joined(
    sentences.flatMap((sentence) => sentence || []),
    " ",
  );
}

function unknowns({ photos: { near, far } }: Outcome): string {
  const parts = [
    ...(near.classes > 0 ? [`${counted(near.photos, "photo")} of ${near.classes} near`] : []),
    ...(far.classes > 0 ? [`${counted(far.photos, "photo")} of ${far.classes} far`] : []),
  ];
  return parts.length === 0
    ? "without unknown classes"
    : `and ${listed(parts)} unknown classes that nothing was trained on`;
}

/** The methods in words, and their sources, to take over. */
export const methods: Section = {
  name: "methods",
  navigation: "Methods",
  title: () => "Methods, to take over",
  isShown: () => true,
  render(outcome) {
    return html`<p>${methodsParagraph(outcome)}</p>
<details><summary>BibTeX</summary><pre>${bibliography(referencesOf(outcome))}</pre></details>`;
  },
};
