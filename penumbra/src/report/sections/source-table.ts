import type { Outcome, SourceFigures } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { bytes, duration, fixed, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { QUALITY_HEADS, qualityCells, qualityWords } from "./quality.ts";

/** The sources of images side by side: how they look beside photos, and what they cost. */
export function sourceTable({ sourceFigures = [], sources }: Outcome): Html | null {
  if (sourceFigures.length === 0) return null;
  const hasDivergence = sourceFigures.some(({ training }) => training?.divergence != null);
  const isMeasured = isMeasuredBySource({ sourceFigures });
  const number = (value: Html | string) => html`<td class="number">${value}</td>`;
  const row = ({ source, images, insideShare, quality, training, drawing }: SourceFigures) =>
    html`<tr><th scope="row">${titleOf(sources, source)}</th>${number(String(images))}${number(
      insideShare === null ? "–" : `${percent(insideShare, 0)} %`,
    )}${isMeasured && qualityCells(quality)}${number(training ? String(Math.round(training.steps)) : "–")}${number(
      training ? duration(training.seconds) : "–",
    )}${number(training ? bytes(training.peakMemoryBytes) : "–")}${
      hasDivergence && number(training?.divergence == null ? "–" : fixed(training.divergence, 3))
    }${number(duration(drawing.seconds))}${number(bytes(drawing.peakMemoryBytes))}</tr>`;
  return html`<h3>The sources side by side</h3>
${isMeasured && qualityWords()}
<p>Time is a mean over seeds. Memory is the most that the process held meanwhile, with all that it held before: it compares sources of one run.${
    hasDivergence &&
    html` Jensen-Shannon divergence, in nats: how far drawn images are from photos for the discriminator, 0: it cannot tell them apart, 0.693: always.`
  }</p>
<div class="scroll" tabindex="0" role="region" aria-label="Sources of images"><table class="plain"><thead><tr><th scope="col">Source</th><th scope="col" class="number">Images</th><th scope="col" class="number">Look known</th>${isMeasured && QUALITY_HEADS}<th scope="col" class="number">Steps</th><th scope="col" class="number">Training</th><th scope="col" class="number">Memory</th>${hasDivergence && html`<th scope="col" class="number">Jensen-Shannon</th>`}<th scope="col" class="number">Drawing</th><th scope="col" class="number">Memory</th></tr></thead>
<tbody>${sourceFigures.map(row)}</tbody></table></div>
${collapsedIn(sourceFigures).map(
  ({ source, seed, diversity }) =>
    html`<p class="note"><b>Mode collapse</b> of ${titleOf(sources, source)} at seed ${seed}: samples differ from each other by ${percent(diversity, 0)} % of what photos do, so they are nearly one image over and over.</p>`,
)}`;
}

/** Whether the table says how far images are from photos. */
export function isMeasuredBySource({ sourceFigures = [] }: Pick<Outcome, "sourceFigures">): boolean {
  return sourceFigures.some(({ quality }) => quality);
}

function collapsedIn(figures: readonly SourceFigures[]) {
  return figures.flatMap(({ source, training }) =>
    (training?.collapsed ?? []).map((item) => ({ source, ...item })),
  );
}
