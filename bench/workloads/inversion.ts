import * as torch from "@penumbra/torch";
import { fillTemplate, learnWords, TEMPLATES } from "../../penumbra/src/diffusion/index.ts";
import { idsOf, loadModel, MODEL, parametersOf } from "./stable-diffusion.ts";
import { reported, type Workload } from "./workload.ts";

const NAMES = ["bolt", "nut", "relay", "switch"];
const PHOTOS = 8;
const BATCH = 4;

/** A step of textual inversion: the words of all classes in one batch, everything else frozen. */
export function inversion(precision: "fp32" | "bf16"): Workload {
  return {
    module: "inversion",
    get parameters() {
      const prompts = NAMES.map((name) => TEMPLATES.map((template) => fillTemplate(template, `<${name}>`)));
      const ids = prompts.map((texts) =>
        idsOf(
          texts,
          NAMES.map((name) => `<${name}>`),
        ),
      );
      const [[placeholder = 0] = []] = NAMES.slice(0, 1).map(
        (name) => idsOf([`<${name}>`], [`<${name}>`])[0]?.slice(1) ?? [],
      );
      return { model: MODEL, ids, first_word: placeholder, photos: PHOTOS, batch: BATCH, precision };
    },
    build() {
      const sd = loadModel();
      const size = [PHOTOS, 3, sd.imageSize, sd.imageSize];
      const classes = NAMES.map((name) => ({ name, images: torch.randint(256, size, { dtype: "uint8" }) }));
      const run = reported((steps, onProgress) =>
        learnWords(sd, { classes, steps, batchSize: BATCH, seed: 0, precision, onProgress }),
      );
      return { run, facts: { parameters: parametersOf(sd), samples: NAMES.length * BATCH } };
    },
  };
}
