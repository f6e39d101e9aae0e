import type { ImageQuality } from "../../results/index.ts";
import { type Html, html } from "../html.ts";
import { percent } from "../numbers.ts";
import { localNumber } from "../words/index.ts";

/** What the columns of {@link qualityCells} say. */
export const qualityWords = () =>
  html`<p>FID and KID say how far the images are from known validation photos by the features of an encoder that saw no synthetic image (0: no difference; they compare rows of one table only, and FID is larger for fewer images), precision how many of them lie among the photos, recall how many photos lie among them.</p>`;

export const QUALITY_HEADS = ["FID", "KID", "Precision", "Recall"].map(
  (head) => html`<th scope="col" class="number">${head}</th>`,
);

export function qualityCells(quality: ImageQuality | null | undefined): Html[] {
  const cell = (text: string) => html`<td class="number">${text}</td>`;
  const number = (value: number | null | undefined) =>
    value == null ? "–" : localNumber(value.toPrecision(3)).replace("-", "\u2212");
  const share = (value: number | null | undefined) => (value == null ? "–" : `${percent(value, 0)} %`);
  return [
    cell(number(quality?.fid)),
    cell(number(quality?.kid)),
    cell(share(quality?.precision)),
    cell(share(quality?.recall)),
  ];
}
