import type { Outcome, SheetImage } from "../../study/index.ts";
import { type Html, html } from "../html.ts";
import { fixed } from "../numbers.ts";

export type ImageSource = (path: string) => string;

function tile(item: SheetImage, kind: "faithful" | "near", source: ImageSource): Html {
  const word =
    kind === "near" && item.recipe === "crossed"
      ? html`<br>word of <span class="id">${item.wordClass}</span>`
      : null;
  return html`<figure class="tile ${kind}"><img src="${source(item.image)}" alt="${kind === "faithful" ? "faithful" : "near-OOD"} redraw at strength ${fixed(item.strength, 2)}" loading="lazy">
<figcaption><b>${item.recipe} ${fixed(item.strength, 2)}</b><br>${item.timestep === null ? "no noise" : html`t ${item.timestep}`} · signal ${fixed(item.signal, 2)}${word}</figcaption></figure>`;
}

/** Photo, faithful and near-OOD redraws side by side, with the strength of each. */
export function sheetSection({ sheet, model }: Outcome, source: ImageSource): Html | null {
  if (!sheet.some(({ faithful, nearOod }) => faithful.length + nearOod.length > 0)) return null;
  return html`<section id="images"><h2>What was drawn</h2>
<p>Each row starts with a training photo. <span class="key known"></span> <b>Faithful</b> redraws stay in the class and are used as positives; <span class="key near"></span> <b>near-OOD</b> redraws fall beside it and are used as negatives only. <b>Strength</b> says how much noise the photo was given before ${model?.name ?? "the model"} drew it again: 0 leaves it as it is, 1 is almost pure noise. t is the noise level that this resolves to, signal the share of the photo that survives it.</p>
${sheet.map(
  (row) => html`<div class="strip"><h3 class="id">${row.className}</h3><div class="tiles">
<figure class="tile photo"><img src="${source(row.photo)}" alt="training photo of ${row.className}" loading="lazy"><figcaption><b>photo</b></figcaption></figure>
${row.faithful.map((item) => tile(item, "faithful", source))}${row.nearOod.map((item) => tile(item, "near", source))}
</div></div>`,
)}
</section>`;
}
