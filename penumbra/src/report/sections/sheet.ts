import type { Outcome, SheetImage, SheetRow } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { fixed, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { QUALITY_HEADS, qualityCells, qualityWords } from "./quality.ts";
import type { ImageSource, Section } from "./section.ts";
import { isMeasuredBySource, sourceTable } from "./source-table.ts";

/** Photo and redraws side by side, with the strength of each, and how many of them still look known. */
export const sheet: Section = {
  name: "images",
  navigation: "Images",
  title: () => "What was drawn",
  isShown: (outcome) => outcome.sheet.some(({ redraws }) => redraws.length > 0),
  render(outcome, source) {
    return html`<p>Each row starts with a training photo. <span class="key known"></span> <b>Faithful</b> images stay in the class and are used as positives; <span class="key near"></span> <b>near-OOD</b> images fall beside it and are used as negatives only. <b>Strength</b> says how far from its photo an image was drawn: 0 leaves it as it is.${outcome.model && html` Of redraws it is the noise that the photo was given before ${outcome.model.name} drew it again, 1 being almost pure noise; t is the noise level that this resolves to, signal the share of the photo that survives it.`}</p>
<div class="${outcome.sheet.every(isShort) ? "pairs" : ""}">${outcome.sheet.map(
      (row) => html`<div class="strip"><h3 class="id">${row.className}</h3><div class="tiles">
<figure class="tile photo"><img src="${source(row.photo)}" alt="training photo of ${row.className}" loading="lazy"><figcaption><b>photo</b></figcaption></figure>
${row.redraws.map((item) => tile(item, row, outcome, source))}
</div></div>`,
    )}</div>
${sourceTable(outcome)}${nearnessTable(outcome)}`;
  },
};

/** What the colours of the page call the images that a recipe makes: of the class, or beside it. */
function colourOf(recipe: string, { recipes }: Outcome): "known" | "near" {
  return recipes.find(({ name }) => name === recipe)?.kind === "faithful" ? "known" : "near";
}

function tile(item: SheetImage, { className }: SheetRow, outcome: Outcome, source: ImageSource): Html {
  const { strength, recipe, timestep, signal, wordClass } = item;
  const title = titleOf(outcome.recipes, recipe);
  const towards = wordClass !== className && html`<br>towards <span class="id">${wordClass}</span>`;
  const shown = strength === null ? title : `${title} ${fixed(strength, 2)}`;
  const level =
    signal !== null &&
    html`<br>${timestep === null ? "no noise" : html`t ${timestep}`} · signal ${fixed(signal, 2)}`;
  return html`<figure class="tile ${colourOf(recipe, outcome)}"><img src="${source(item.image)}" alt="${shown} of ${className}" loading="lazy">
<figcaption><b>${shown}</b>${level}${towards}</figcaption></figure>`;
}

/** Whether two rows fit side by side on a wide page. */
function isShort({ redraws }: SheetRow): boolean {
  return redraws.length <= 3;
}

/** How many redraws of each recipe and strength still look known: contaminated negatives, and faithful ones that failed. */
function nearnessTable(outcome: Outcome): Html | null {
  if (outcome.nearness.length === 0) return null;
  const isMeasured = outcome.nearness.some(({ quality }) => quality);
  return html`<h3>How many still look known</h3>
<p>Judged by the encoder that saw no synthetic image: a redraw looks known where its Mahalanobis score is above the one that 95 % of the known validation photos reach. Faithful redraws should, near-OOD redraws should not: those that do are negatives that lie inside a class.</p>
${isMeasured && !isMeasuredBySource(outcome) && qualityWords()}
<div class="scroll" tabindex="0" role="region" aria-label="Nearness of redraws"><table class="plain nearness"><thead><tr><th scope="col">Recipe</th><th scope="col" class="number">Strength</th><th scope="col" class="number">Images</th><th scope="col" class="number">Look known</th><th scope="col"></th>${isMeasured && QUALITY_HEADS}</tr></thead>
<tbody>${outcome.nearness.map(
    ({ recipe, strength, images, insideShare, quality }) =>
      html`<tr><th scope="row"><span class="key ${colourOf(recipe, outcome)}"></span> ${titleOf(outcome.recipes, recipe)}</th><td class="number">${strength === null ? "–" : fixed(strength, 2)}</td><td class="number">${images}</td><td class="number">${percent(insideShare, 0)} %</td><td class="bar"><span style="width:${(100 * insideShare).toFixed(1)}%"></span></td>${isMeasured && qualityCells(quality)}</tr>`,
  )}</tbody></table></div>`;
}
