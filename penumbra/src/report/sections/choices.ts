import { detectorChosenBy, type Outcome, recommendArm, type TrialResult } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { counted, fixed, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { joined } from "../words/index.ts";
import { keptEarly, rangeOf } from "./curves.ts";
import type { Section } from "./section.ts";

/** Something that the study chose by itself. */
interface Choice {
  readonly what: Html;
  readonly among: Html;
  readonly chosen: Html;
  readonly by: Html;
}

/** Everything that was chosen, among what, and by which photos: none of it by the test. */
export const choices: Section = {
  name: "choices",
  navigation: "Choices",
  title: () => "What was chosen, and by what",
  isShown: () => true,
  render: (outcome) => {
    const rows = [
      detectorChoice(outcome),
      ...settingsChoice(outcome),
      ...temperatureChoice(outcome),
      ...penaltyChoice(outcome),
      ...weightsChoice(outcome),
      ...wordsChoice(outcome),
      ...siftChoices(outcome),
      ...thresholdChoice(outcome),
      ...armChoice(outcome),
    ];
    return html`<p>Test photos chose nothing. What study.yaml gives as one value was its author's choice and is not listed.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Choices"><table class="plain"><thead><tr><th scope="col">What</th><th scope="col">Among</th><th scope="col">Chosen</th><th scope="col">By</th></tr></thead>
<tbody>${rows.map(({ what, among, chosen, by }) => html`<tr><th scope="row">${what}</th><td>${among}</td><td>${chosen}</td><td>${by}</td></tr>`)}</tbody></table></div>`;
  },
};

const ANEW = () => html`anew in every arm at every seed`;

const JUDGED_BY = {
  validation: () => html`validation unknowns, whose classes are not among the test's`,
  standIns: () => html`images that stand in for unknowns, made of validation photos and redraws`,
  null: () => html`nothing: it is the first one named`,
} as const;

function detectorChoice(outcome: Outcome): Choice {
  return {
    what: html`Detector of the answer`,
    among: html`${counted(outcome.detectors.length, "detector")}`,
    chosen: html`${titleOf(outcome.detectors, outcome.detector)}`,
    by: JUDGED_BY[`${detectorChosenBy(outcome.results, outcome.detector)}`](),
  };
}

/** Settings of detectors that had more than one candidate. */
function settingsChoice({ results, unit }: Outcome): Choice[] {
  const candidates = new Map<string, Set<string>>();
  const trials = results.filter((line): line is TrialResult => line.kind === "trial" && line.unit === unit);
  for (const { detector, options } of trials) {
    candidates.set(detector, (candidates.get(detector) ?? new Set()).add(JSON.stringify(options)));
  }
  const chosen = [...candidates.values()].filter(({ size }) => size > 1);
  const [first] = trials;
  if (!first || chosen.length === 0) return [];
  const count = chosen.reduce((sum, { size }) => sum + size, 0);
  return [
    {
      what: html`Settings of ${counted(chosen.length, "detector")}`,
      among: html`${counted(count, "candidate")}, listed with the detectors`,
      chosen: ANEW(),
      by: JUDGED_BY[`${first.chosenBy}`](),
    },
  ];
}

function temperatureChoice({ detectors }: Outcome): Choice[] {
  if (!detectors.some(({ name }) => name === "temperature")) return [];
  return [
    {
      what: html`Temperature of the softmax`,
      among: html`every number above 0`,
      chosen: ANEW(),
      by: html`negative log-likelihood of the known validation photos`,
    },
  ];
}

function penaltyChoice({ probes = [] }: Outcome): Choice[] {
  const candidates = [...new Set(probes.flatMap(({ trials }) => trials.map(({ l2 }) => l2)))];
  if (candidates.length < 2) return [];
  return [
    {
      what: html`Penalty of the linear classifier (L2)`,
      among: html`${joined(candidates.map(String), ", ")}`,
      chosen: html`${joined(
        candidates.flatMap((l2) => {
          const count = probes.filter((probe) => probe.l2 === l2).length;
          return count > 0 ? [`${l2} in ${count} of ${probes.length}`] : [];
        }),
        ", ",
      )}`,
      by: html`accuracy on the known validation photos, of equal ones their negative log-likelihood`,
    },
  ];
}

/** Steps after which the weights of encoders are taken, where these are not the last. */
function weightsChoice({ curves }: Outcome): Choice[] {
  const early = keptEarly(curves);
  if (early.length === 0) return [];
  return [
    {
      what: html`Weights of ${counted(early.length, "encoder")}`,
      among: html`${counted(Math.max(...early.map(({ evaluations }) => evaluations.length)), "look")} during the training`,
      chosen: html`after ${rangeOf(early.map(({ keptStep }) => keptStep))} steps`,
      by: html`loss or accuracy on the known validation photos`,
    },
  ];
}

function wordsChoice({ wordsCurves = [] }: Outcome): Choice[] {
  const early = wordsCurves.filter(({ looks, keptStep }) => keptStep < (looks.at(-1)?.step ?? 0));
  if (early.length === 0) return [];
  return [
    {
      what: html`Words of ${counted(early.length, "seed")}`,
      among: html`${counted(Math.max(...early.map(({ looks }) => looks.length)), "look")} during the training`,
      chosen: html`after ${rangeOf(early.map(({ keptStep }) => keptStep))} steps`,
      by: html`loss of the denoiser on validation photos`,
    },
  ];
}

function siftChoices(outcome: Outcome): Choice[] {
  return outcome.sifted.map(({ source, upper }) => ({
    what: html`Where near-OOD ends: ${titleOf(outcome.sources, source)}`,
    among: html`every distance beyond where known ends (1)`,
    chosen: html`${fixed(upper, 2)}, mean over seeds`,
    by: html`validation unknowns, unless study.yaml gives a number`,
  }));
}

function thresholdChoice({ operatingPoints }: Outcome): Choice[] {
  const [first] = operatingPoints;
  if (!first) return [];
  return [
    {
      what: html`Threshold for use`,
      among: html`every score`,
      chosen: html`the highest that keeps ${percent(first.keep, 0)} %, ${ANEW()}`,
      by: html`known validation photos`,
    },
  ];
}

function armChoice(outcome: Outcome): Choice[] {
  const recommended = recommendArm(outcome);
  if (!recommended || outcome.arms.length < 2) return [];
  return [
    {
      what: html`Arm for use`,
      among: html`${counted(outcome.arms.length, "arm")}`,
      chosen: html`${titleOf(outcome.arms, recommended.arm)}`,
      by: html`${recommended.reason}`,
    },
  ];
}
