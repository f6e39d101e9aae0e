import type { Outcome, SiftedImage, SiftResult } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { counted, fixed, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import type { ImageSource, Section } from "./section.ts";

/** Which synthetic images were let pass and which were turned away, why, and what the band says of real photos. */
export const sifted: Section = {
  name: "sift",
  navigation: "Sift",
  title: () => "What was let pass",
  isShown: ({ sifted }) => sifted.length > 0,
  render: (outcome, source) =>
    html`<p>Each image is judged by an encoder that has seen real photos alone. Its distance to a class is a mean over several layers and measures, in units of the distance at which real photos of unseen objects end: up to 1 it looks known. What lies beyond, but not too far, and is not surely its own class to the classifier, is near-OOD. What is turned away is drawn again with another seed.</p>
${outcome.sifted.map((result) => siftOf(result, outcome, source))}`,
};

function siftOf(result: SiftResult, outcome: Outcome, source: ImageSource): Html {
  const { knownInside, nearInside, nearInBand, upper } = result;
  const near =
    nearInside !== null &&
    nearInBand !== null &&
    html`; of the near validation unknowns ${percent(nearInside, 0)} % lie inside some class and ${percent(nearInBand, 0)} % in the band`;
  const roles = result.recipes[0]?.roles ?? [];
  return html`<h3>${titleOf(outcome.sources, result.source)}</h3>
<p>Near-OOD is from 1 to ${fixed(upper, 2)}, mean over ${counted(outcome.seeds.length, "seed")}. Of the known validation photos ${percent(knownInside, 0)} % lie inside their class${near}.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Yields of the sift"><table class="plain"><thead><tr><th scope="col">Recipe</th><th scope="col" class="number">Strength</th><th scope="col" class="number">Wanted</th><th scope="col" class="number">Drawn</th><th scope="col" class="number">Accepted</th>${roles.map(({ role }) => html`<th scope="col" class="number">${titleOf(outcome.imageRoles, role)}</th>`)}</tr></thead>
<tbody>${result.recipes.map(
    (row) =>
      html`<tr><th scope="row">${titleOf(outcome.recipes, row.recipe)}</th><td class="number">${row.strengths ? row.strengths.map((value) => fixed(value, 2)).join(" · ") : "–"}</td><td class="number">${row.wanted}</td><td class="number">${row.drawn}</td><td class="number">${row.accepted} (${percent(row.accepted / row.wanted, 0)} %)</td>${row.roles.map(({ share }) => html`<td class="number">${percent(share, 0)} %</td>`)}</tr>`,
  )}</tbody></table></div>
<p>Strengths: lowest, median and highest over classes. Roles: of the images of the first attempt.</p>
${tiles("Accepted", result.accepted, outcome, source)}
${tiles("Turned away", result.rejected, outcome, source)}`;
}

function tiles(
  heading: string,
  images: readonly SiftedImage[],
  outcome: Outcome,
  source: ImageSource,
): Html | null {
  if (images.length === 0) return null;
  return html`<h4>${heading}</h4><div class="tiles">${images.map(
    ({ image, recipe, strength, className, role, reason }) => {
      const title = titleOf(outcome.recipes, recipe);
      const colour = role === "faithful" ? "known" : "near";
      return html`<figure class="tile ${colour}"><img src="${source(image)}" alt="${title} of ${className}" loading="lazy">
<figcaption><b>${title}${strength === null ? "" : ` ${fixed(strength, 2)}`}</b><br><span class="id">${className}</span><br>${titleOf(outcome.imageRoles, role)}: ${reason}</figcaption></figure>`;
    },
  )}</div>`;
}
