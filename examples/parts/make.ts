/**
 * Makes `examples/parts/photos` from the original 128 px renders (`<id|near|far>/<class>/<object>/<view>.webp`).
 *
 * Usage: node --import tsx examples/parts/make.ts FOLDER_OF_RENDERS
 *
 * Two groups of four confusable parts are known; their longer siblings are the near unknowns, other parts the
 * far ones. The result is committed: run this only to change the choice.
 */
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

/** Source folder -> role and short name here. */
const CLASSES: Readonly<Record<string, string>> = {
  "id/PinHeader_2x04_P2.54mm_Vertical": "known/pin-header-2x4",
  "id/PinHeader_2x05_P2.54mm_Vertical": "known/pin-header-2x5",
  "id/PinSocket_2x04_P2.54mm_Vertical": "known/pin-socket-2x4",
  "id/PinSocket_2x05_P2.54mm_Vertical": "known/pin-socket-2x5",
  "id/TerminalBlock_Phoenix_MKDS-1,5-3-5.08_1x03_P5.08mm_Horizontal": "known/terminal-mkds-3",
  "id/TerminalBlock_Phoenix_MKDS-1,5-4-5.08_1x04_P5.08mm_Horizontal": "known/terminal-mkds-4",
  "id/TerminalBlock_Phoenix_PT-1,5-3-3.5-H_1x03_P3.50mm_Horizontal": "known/terminal-pt-3",
  "id/TerminalBlock_Phoenix_PT-1,5-4-3.5-H_1x04_P3.50mm_Horizontal": "known/terminal-pt-4",
  "near/PinHeader_2x06_P2.54mm_Vertical": "near/pin-header-2x6",
  "near/PinSocket_2x06_P2.54mm_Vertical": "near/pin-socket-2x6",
  "near/TerminalBlock_Phoenix_MKDS-1,5-5-5.08_1x05_P5.08mm_Horizontal": "near/terminal-mkds-5",
  "near/TerminalBlock_Phoenix_PT-1,5-5-3.5-H_1x05_P3.50mm_Horizontal": "near/terminal-pt-5",
  "far/Buzzer_12x9.5RM7.6": "far/buzzer",
  "far/L_CommonMode_Toroid_Vertical_L30.5mm_W15.2mm_Px10.16mm_Py20.32mm_Bourns_8100": "far/common-mode-choke",
  "far/Crystal_HC49-U_Vertical": "far/crystal",
  "far/DSUB-15_Male_Horizontal_P2.77x2.84mm_EdgePinOffset9.40mm": "far/d-sub-15",
  "far/L_Radial_D10.0mm_P5.00mm_Fastron_07M": "far/inductor",
  "far/LED_D5.0mm": "far/led",
  "far/Relay_SPDT_Finder_40.31": "far/relay",
  "far/Potentiometer_Bourns_3296W_Vertical": "far/trimmer",
};

const SIZE = 64;
const QUALITY = 90; // about 1.3 KB a photo; the pins of the headers stay countable

const renders = process.argv[2];
if (!renders) {
  throw new Error("No folder of renders was given. Run: node --import tsx examples/parts/make.ts FOLDER");
}
const photos = join(dirname(fileURLToPath(import.meta.url)), "photos");
const aside = `${photos}.making`;
await rm(aside, { recursive: true, force: true });
for (const [source, target] of Object.entries(CLASSES)) {
  for (const object of await readdir(join(renders, source))) {
    await mkdir(join(aside, target, object), { recursive: true });
    for (const view of await readdir(join(renders, source, object))) {
      await sharp(join(renders, source, object, view))
        .resize(SIZE, SIZE, { kernel: "lanczos3" })
        .webp({ quality: QUALITY, effort: 6 })
        .toFile(join(aside, target, object, view));
    }
  }
}
await rm(photos, { recursive: true, force: true });
await rename(aside, photos);
