import type { Curve, EvaluatedFigures, Outcome, WordsCurve } from "../../results/index.ts";
import { type Line, linesChart } from "../charts/index.ts";
import { type Html, html } from "../html.ts";
import { armClass } from "./arms.ts";
import type { Section } from "./section.ts";

/** Training loss of every arm and seed; with looks at photos between steps also what these found. */
export const curves: Section = {
  name: "curves",
  navigation: "Training",
  title: () => "Training",
  isShown: ({ curves, wordsCurves = [] }) => curves.length + wordsCurves.length > 0,
  render: (outcome) => {
    const byArm = outcome.arms.map((arm) => ({
      arm,
      own: outcome.curves.filter((curve) => curve.arm === arm.name),
    }));
    const trained = byArm.filter(({ own }) => own.length > 0); // of the others nothing was trained
    const evaluated = trained.filter(({ own }) => own.some(({ evaluations }) => evaluations.length > 0));
    const words = outcome.wordsCurves ?? [];
    return html`${
      words.length > 0 &&
      html`<h3>Words</h3>
<p>Loss of the denoiser under the words of the classes: dashed lines are training photos, each point of the noise that was drawn since the last, whole ones validation photos under the same noise every time, a pair per seed. Where validation no longer falls, more steps learn the photos, not the class. ${keptWords(words)}</p>
<div class="grid">${wordsFigure(words)}</div>`
    }${trained.length > 0 && html`<p>Loss of each encoder, a line per seed. The losses of different arms are different functions: compare their course, not their height.</p>`}
<div class="grid">${trained.map(({ arm, own }) => lossFigure(outcome, arm, own))}</div>
${
  evaluated.length > 0 &&
  html`<h3>On training and validation photos</h3>
<p>The same encoders between steps, without redraws and negatives: dashed lines are training photos, whole ones validation photos, a pair per seed. Where validation turns away from training, the encoder learns the photos instead of the classes. Accuracy is that of the nearest class mean. ${keptText(evaluated.flatMap(({ own }) => own))}</p>
<div class="grid">${evaluated.flatMap(({ arm, own }) => [
    evaluationFigure(outcome, arm, own, "loss"),
    evaluationFigure(outcome, arm, own, "accuracy"),
  ])}</div>`
}`;
  },
};

type Arm = Outcome["arms"][number];

function lossFigure(outcome: Outcome, arm: Arm, own: readonly Curve[]): Html {
  const collapse = own.find((curve) => curve.collapse)?.collapse;
  const lines = own.map((curve) => ({
    title: `seed ${curve.seed}`,
    points: curve.points.map(({ step, loss }) => ({ x: step, y: loss })),
  }));
  return html`<figure><figcaption>${arm.title}</figcaption>${linesChart(lines, {
    title: `Training loss, ${arm.title}`,
    className: armClass(outcome, arm.name),
    xLabel: "training step",
    yLabel: "loss",
    ...(collapse && {
      level: { y: collapse.plateau, title: "what an encoder gives that has learned nothing" },
    }),
  })}</figure>`;
}

function evaluationFigure(
  outcome: Outcome,
  arm: Arm,
  own: readonly Curve[],
  figure: keyof EvaluatedFigures,
): Html {
  const colour = armClass(outcome, arm.name);
  const lines = own.flatMap(({ seed, evaluations }): Line[] =>
    (["train", "validation"] as const).map((part) => ({
      title: `${part === "train" ? "training" : "validation"} photos, seed ${seed}`,
      className: part === "train" ? `${colour} thin` : colour,
      points: evaluations.map((at) => ({ x: at.step, y: at[part][figure] })),
    })),
  );
  return html`<figure><figcaption>${arm.title}: ${figure}</figcaption>${linesChart(lines, {
    title: `${figure} on training and validation photos, ${arm.title}`,
    xLabel: "training step",
    yLabel: figure,
  })}</figure>`;
}

function wordsFigure(words: readonly WordsCurve[]): Html {
  const lines = words.flatMap(({ seed, looks }): Line[] =>
    (["training", "heldOut"] as const).map((part) => ({
      title: `${part === "training" ? "training" : "validation"} photos, seed ${seed}`,
      ...(part === "training" && { className: "thin" }),
      points: looks.map((look) => ({ x: look.step, y: look[part] })),
    })),
  );
  return html`<figure><figcaption>Words</figcaption>${linesChart(lines, {
    title: "Loss of the denoiser under the words on training and validation photos",
    xLabel: "training step",
    yLabel: "loss",
  })}</figure>`;
}

/** After how many steps the words that were used were learned. */
function keptWords(words: readonly WordsCurve[]): string {
  const steps = [...new Set(words.map(({ keptStep }) => keptStep))].sort((a, b) => a - b);
  return `The words are those after ${steps.join(", ")} steps.`;
}

/** Which weights the rest of the report is about, where they are not simply the last ones. */
function keptText(all: readonly Curve[]): string {
  const early = keptEarly(all);
  if (early.length === 0) return "";
  return `${early.length} of ${all.length} encoders are kept as they were before their last step: after ${rangeOf(early.map(({ keptStep }) => keptStep))} steps.`;
}

/** Those whose weights are not simply the last ones. */
export function keptEarly(all: readonly Curve[]): Curve[] {
  return all.filter(({ points, keptStep }) => keptStep !== points.at(-1)?.step);
}

/** "150" or "100 to 150". */
export function rangeOf(numbers: readonly number[]): string {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  return least === most ? String(least) : `${least} to ${most}`;
}
