/**
 * The 27 object templates of textual inversion (Gal et al. 2022; `imagenet_templates_small` in diffusers'
 * examples/textual_inversion and in DA-Fusion's fine_tune.py). `{}` is where the word goes.
 */
export const TEMPLATES: readonly string[] = [
  "a photo of a {}",
  "a rendering of a {}",
  "a cropped photo of the {}",
  "the photo of a {}",
  "a photo of a clean {}",
  "a photo of a dirty {}",
  "a dark photo of the {}",
  "a photo of my {}",
  "a photo of the cool {}",
  "a close-up photo of a {}",
  "a bright photo of the {}",
  "a cropped photo of a {}",
  "a photo of the {}",
  "a good photo of the {}",
  "a photo of one {}",
  "a close-up photo of the {}",
  "a rendition of the {}",
  "a photo of the clean {}",
  "a rendition of a {}",
  "a photo of a nice {}",
  "a good photo of a {}",
  "a photo of the nice {}",
  "a photo of the small {}",
  "a photo of the weird {}",
  "a photo of the large {}",
  "a photo of a cool {}",
  "a photo of a small {}",
];

/** The template that redraws use, as in DA-Fusion's generate_augmentations.py. */
export const PLAIN_TEMPLATE = "a photo of a {}";

/** Puts a word in the place of `{}`. */
export function fillTemplate(template: string, word: string): string {
  return template.replace("{}", () => word);
}
