import type { AuditResult, Outcome } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { counted, fixed, percent, points } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { armClass, average } from "./arms.ts";
import type { Section } from "./section.ts";

/** Whether an arm's features tell how an image was made, beside what the arm gained. */
export const audit: Section = {
  name: "audit",
  navigation: "Shortcuts",
  title: () => "Does it see the object, or how the image was made?",
  isShown: ({ audits }) => audits.length > 0,
  render(outcome) {
    const sources = [
      ...new Set(outcome.audits.flatMap((audit) => audit.sources.map(({ source }) => source))),
    ];
    const moved = outcome.audits.some((audit) => audit.moved !== null);
    return html`<p>Where all negatives are synthetic and all positives real, an encoder may learn to tell synthetic from real, which helps nobody. A linear probe on each arm's frozen features tries to tell photos of objects it was not fitted on from images that were made: 50 is chance, 100 is certain. Round trips are known validation photos through the autoencoder and back: an encoder that sees the object alone does not move them. Compare an arm with the one of real photos alone: a gain together with a probe far above it may be a shortcut. Mean over ${counted(outcome.seeds.length, "seed")}.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Shortcut audit"><table class="arms sortable"><thead><tr><th scope="col">Arm</th>${
      moved
        ? html`<th scope="col" class="number">Round trips told, %</th><th scope="col" class="number">Moved by</th><th scope="col" class="number">Look less known, %</th><th scope="col" class="number">Accuracy, points</th>`
        : null
    }${sources.map((source) => html`<th scope="col" class="number">${titleOf(outcome.sources, source)} told, %</th>`)}<th scope="col" class="number">Gain: accuracy</th><th scope="col" class="number">Gain: near AUROC</th></tr></thead>
<tbody>${outcome.arms.map(({ name, title }) => rowOf(name, title, outcome, { sources, moved }))}</tbody></table></div>
<p>Moved by: length of the move as a share of a photo's distance to its class's mean. Look less known: AUROC of photos against their own round trips by the Mahalanobis distance; 50 = no difference. Accuracy: of the nearest class mean on the round trips minus on the photos. Gain: on test photos over the arm of the same objective that has real photos alone.</p>`;
  },
};

function rowOf(
  arm: string,
  title: string,
  outcome: Outcome,
  { sources, moved }: { readonly sources: readonly string[]; readonly moved: boolean },
): Html {
  const own = outcome.audits.filter((audit) => audit.arm === arm);
  const cell = (values: readonly number[], show: (value: number) => string) =>
    html`<td class="number">${values.length === 0 ? "–" : show(average(values))}</td>`;
  const trips = own.flatMap((audit) => audit.moved ?? []);
  const told = (source: string) =>
    own.flatMap((audit) => audit.sources.flatMap((item) => (item.source === source ? [item.probe] : [])));
  const gain = gainOf(arm, outcome);
  return html`<tr><th scope="row"><span class="swatch ${armClass(outcome, arm)}"></span>${title}</th>${
    moved
      ? html`${cell(own.flatMap(roundTripProbe), (value) => percent(value))}${cell(
          trips.map(({ shift }) => shift),
          (value) => fixed(value, 2),
        )}${cell(
          trips.map(({ lessKnown }) => lessKnown),
          (value) => percent(value),
        )}${cell(
          trips.map(({ accuracy, roundTripAccuracy }) => roundTripAccuracy - accuracy),
          (value) => points(value),
        )}`
      : null
  }${sources.map((source) => cell(told(source), (value) => percent(value)))}${[gain.accuracy, gain.near].map(
    (value) => html`<td class="number">${value === null ? "–" : points(value)}</td>`,
  )}</tr>`;
}

function roundTripProbe({ roundTripProbe: value }: AuditResult): number[] {
  return value === null ? [] : [value];
}

/** What an arm has over the arm of its objective that has real photos alone; null for that arm itself. */
function gainOf(name: string, outcome: Outcome): { accuracy: number | null; near: number | null } {
  const { arms, results, detector, unit } = outcome;
  const arm = arms.find((item) => item.name === name);
  const base = arms.find(
    ({ objective, positives, negatives, changes }) =>
      objective === arm?.objective && positives === null && negatives === null && changes === null,
  );
  if (!arm || !base || base.name === name) return { accuracy: null, near: null };
  const accuracy = (of: string) =>
    results.flatMap((line) =>
      line.kind === "classification" && line.arm === of && line.unit === unit ? [line.accuracy] : [],
    );
  const near = (of: string) =>
    results.flatMap((line) =>
      line.kind === "unknowns" &&
      line.arm === of &&
      line.unit === unit &&
      line.role === "near" &&
      line.part === "test" &&
      line.unknownClass === null &&
      line.detector === detector
        ? [line.auroc]
        : [],
    );
  const difference = (values: (of: string) => number[]) => {
    const value = average(values(name)) - average(values(base.name));
    return Number.isFinite(value) ? value : null;
  };
  return { accuracy: difference(accuracy), near: difference(near) };
}
