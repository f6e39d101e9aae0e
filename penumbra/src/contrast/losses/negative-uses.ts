/**
 * What a training may make of images that must not be taken for known ones, near-OOD redraws above all. Each use is
 * the control of the others: the same images, another place in the loss. To add one: a line here, and its loss in the
 * objectives that take it.
 */
export const NEGATIVE_USES = {
  columns: {
    title: "negatives only",
    description: "Columns of the contrastive loss's denominator: never anchors, never positives",
  },
  "extra-class": {
    title: "one extra class",
    description: "All of them are one class more, a background, that is learned like the known ones",
  },
  "outlier-exposure": {
    title: "outlier exposure",
    description: "The classifier is to find every class equally likely (Hendrycks et al. 2019)",
  },
  energy: {
    title: "energy margin",
    description: "Their energy is to lie above a margin, that of photos below another (Liu et al. 2020)",
  },
} as const satisfies Readonly<Record<string, { readonly title: string; readonly description: string }>>;

export type NegativeUse = keyof typeof NEGATIVE_USES;
