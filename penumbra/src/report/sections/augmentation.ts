import { html } from "../html.ts";
import { counted } from "../numbers.ts";
import type { Section } from "./section.ts";

/** What training sees of photos. */
export const augmentation: Section = {
  name: "augmentation",
  navigation: "Augmentation",
  title: () => "What training sees",
  isShown: (outcome) => outcome.augmentation !== null,
  render: ({ augmentation: sheet }, source) =>
    sheet
      ? html`<p>Every row starts with a training photo; to its right are ${counted(sheet.versions, "random version")} of it, as <code>encoder.augment</code> makes them anew at every step, for all arms alike. Details that tell the classes apart must survive it.</p>
<img class="augmented" src="${source(sheet.image)}" alt="${counted(sheet.photos, "photo")} with random versions of each" loading="lazy">`
      : html``,
};
