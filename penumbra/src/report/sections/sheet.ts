import type { Outcome, SheetImage, SheetRow } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { fixed, percent } from "../numbers.ts";

export type ImageSource = (path: string) => string;

function tile(item: SheetImage, kind: "faithful" | "near", className: string, source: ImageSource): Html {
  const word =
    kind === "near" && item.recipe === "crossed"
      ? html`<br>word of <span class="id">${item.wordClass}</span>`
      : null;
  return html`<figure class="tile ${kind}"><img src="${source(item.image)}" alt="${kind === "faithful" ? "faithful" : "near-OOD"} redraw of ${className} at strength ${fixed(item.strength, 2)}" loading="lazy">
<figcaption><b>${item.recipe} ${fixed(item.strength, 2)}</b><br>${item.timestep === null ? "no noise" : html`t ${item.timestep}`} · signal ${fixed(item.signal, 2)}${word}</figcaption></figure>`;
}

/** Photo, faithful and near-OOD redraws side by side, with the strength of each. */
export function sheetSection({ sheet, model, nearness }: Outcome, source: ImageSource): Html | null {
  if (!sheet.some(({ faithful, nearOod }) => faithful.length + nearOod.length > 0)) return null;
  return html`<section id="images"><h2>What was drawn</h2>
<p>Each row starts with a training photo. <span class="key known"></span> <b>Faithful</b> redraws stay in the class and are used as positives; <span class="key near"></span> <b>near-OOD</b> redraws fall beside it and are used as negatives only. <b>Strength</b> says how much noise the photo was given before ${model?.name ?? "the model"} drew it again: 0 leaves it as it is, 1 is almost pure noise. t is the noise level that this resolves to, signal the share of the photo that survives it.</p>
<div class="${sheet.every(isShort) ? "pairs" : ""}">${sheet.map(
    (row) => html`<div class="strip"><h3 class="id">${row.className}</h3><div class="tiles">
<figure class="tile photo"><img src="${source(row.photo)}" alt="training photo of ${row.className}" loading="lazy"><figcaption><b>photo</b></figcaption></figure>
${row.faithful.map((item) => tile(item, "faithful", row.className, source))}${row.nearOod.map((item) => tile(item, "near", row.className, source))}
</div></div>`,
  )}</div>
${nearnessTable(nearness)}
</section>`;
}

/** Whether two rows fit side by side on a wide page. */
function isShort({ faithful, nearOod }: SheetRow): boolean {
  return faithful.length + nearOod.length <= 3;
}

/** How many redraws of each recipe and strength still look known: contaminated negatives, and faithful ones that failed. */
function nearnessTable(rows: Outcome["nearness"]): Html | null {
  if (rows.length === 0) return null;
  return html`<h3>How many still look known</h3>
<p>Judged by the encoder that saw no synthetic image: a redraw looks known where its Mahalanobis score is above the one that 95 % of the known validation photos reach. Faithful redraws should, near-OOD redraws should not: those that do are negatives that lie inside a class.</p>
<div class="scroll"><table class="plain nearness"><thead><tr><th scope="col">Recipe</th><th scope="col" class="number">Strength</th><th scope="col" class="number">Images</th><th scope="col" class="number">Look known</th><th scope="col"></th></tr></thead>
<tbody>${rows.map(
    ({ recipe, strength, images, insideShare }) =>
      html`<tr><th scope="row"><span class="key ${recipe === "faithful" ? "known" : "near"}"></span> ${recipe}</th><td class="number">${fixed(strength, 2)}</td><td class="number">${images}</td><td class="number">${percent(insideShare, 0)} %</td><td class="bar"><span style="width:${percent(insideShare, 1)}%"></span></td></tr>`,
  )}</tbody></table></div>`;
}
