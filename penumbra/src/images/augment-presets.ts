import type { AUGMENT_PRESET_NAMES, AugmentSpec } from "./augment-spec.ts";

/** What a spec starts from. Stages are named by a preset's name: other numbers are another preset. */
export const AUGMENT_PRESETS = {
  /** Nothing: only what is named. */
  none: {},
  /** SimCLR (Chen et al. 2020, appendix A) at full strength; sigma as part of the side, 0.1 to 2 pixels of 224. */
  simclr: {
    crop: { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
    flip: 0.5,
    jitter: 0.8,
    brightness: 0.8,
    contrast: 0.8,
    saturation: 0.8,
    hue: 0.2,
    grayscale: 0.2,
    blur: { probability: 0.5, sigma: [0.1 / 224, 2 / 224] },
  },
  /** SupCon (Khosla et al. 2020, as SupContrast's main_supcon.py has it): no blur. */
  supcon: {
    crop: { scale: [0.2, 1], ratio: [3 / 4, 4 / 3] },
    flip: 0.5,
    jitter: 0.8,
    brightness: 0.4,
    contrast: 0.4,
    saturation: 0.4,
    hue: 0.1,
    grayscale: 0.2,
  },
  /** For classes that differ in a detail or a colour: what another photo of the same part could look like. */
  gentle: {
    crop: { scale: [0.8, 1], ratio: [0.9, 1.1] },
    flip: 0.5,
    rotation: 10,
    shift: 0.03,
    brightness: 0.15,
    contrast: 0.15,
  },
} as const satisfies Readonly<Record<AugmentPreset, AugmentChanges>>;

export type AugmentPreset = (typeof AUGMENT_PRESET_NAMES)[number];

/** What images undergo, without the preset that it started from. */
export type AugmentChanges = Omit<AugmentSpec, "preset">;

/** What a spec asks for: its own settings, and the preset's for what it leaves out. */
export function changesOf({ preset = "none", ...own }: AugmentSpec): AugmentChanges {
  return { ...AUGMENT_PRESETS[preset], ...own };
}
