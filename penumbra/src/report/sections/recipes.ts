import { mean, type Outcome, type ResultLine, type SyntheticResult } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { counted, percent } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { armClass } from "./arms.ts";
import type { Section } from "./section.ts";

/** What an arm learned of how images are made: recipes that it has seen and others, beside real unknowns. */
export const recipes: Section = {
  name: "recipes",
  navigation: "Recipes",
  title: () => "Recipes that an arm has seen, and others",
  isShown: (outcome) => linesOf(outcome).length > 0,
  render(outcome) {
    const lines = linesOf(outcome);
    const names = [...new Set(lines.map(({ recipe }) => recipe))];
    return html`<p>AUROC of known test photos against near-OOD images by ${titleOf(outcome.detectors, outcome.detector)}, in %: 50 is chance. The images were made of validation photos, and nothing learned from them; a recipe is seen where the arm learned from others that were made in the same way of its training photos. An arm that tells seen recipes far better than others, and real unknowns no better than an arm without, has learned how images are made. Only the real unknowns decide anything. Mean over ${counted(outcome.seeds.length, "seed")}.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Seen and unseen recipes"><table class="arms sortable"><thead><tr><th scope="col">Arm</th><th scope="col" class="number">Seen recipes</th><th scope="col" class="number">Other recipes</th><th scope="col" class="number">Real near</th><th scope="col" class="number">Real far</th></tr></thead>
<tbody>${outcome.arms.map(({ name, title }) => {
      const of = (isSeen: boolean) => lines.filter((line) => line.arm === name && line.isSeen === isSeen);
      return html`<tr><th scope="row"><span class="swatch ${armClass(outcome, name)}"></span>${title}</th>${cell(of(true))}${cell(of(false))}${cell(realOf(outcome, name, "near"))}${cell(realOf(outcome, name, "far"))}</tr>`;
    })}</tbody></table></div>
<details><summary>Every recipe</summary><div class="scroll" tabindex="0" role="region" aria-label="Every recipe"><table class="plain sortable"><thead><tr><th scope="col">Arm</th><th scope="col">Recipe</th><th scope="col">Seen</th><th scope="col" class="number">AUROC %</th></tr></thead>
<tbody>${outcome.arms.flatMap(({ name, title }) =>
      names.map((recipe) => {
        const own = lines.filter((line) => line.arm === name && line.recipe === recipe);
        return html`<tr><th scope="row">${title}</th><td>${titleOf(outcome.recipes, recipe)}</td><td>${own[0]?.isSeen ? "yes" : "no"}</td>${cell(own)}</tr>`;
      }),
    )}</tbody></table></div></details>`;
  },
};

/** The lines of the detector that the answer is about. */
function linesOf({ results, unit, detector }: Outcome): SyntheticResult[] {
  return results.filter(
    (line): line is SyntheticResult =>
      line.kind === "synthetic" && line.unit === unit && line.detector === detector,
  );
}

function realOf({ results, unit, detector }: Outcome, arm: string, role: "near" | "far") {
  return results.flatMap((line: ResultLine) =>
    line.kind === "unknowns" &&
    line.part === "test" &&
    line.unknownClass === null &&
    line.arm === arm &&
    line.role === role &&
    line.unit === unit &&
    line.detector === detector
      ? [line]
      : [],
  );
}

function cell(lines: readonly { readonly auroc: number }[]): Html {
  return html`<td class="number">${lines.length === 0 ? "–" : percent(mean(lines.map(({ auroc }) => auroc)))}</td>`;
}
