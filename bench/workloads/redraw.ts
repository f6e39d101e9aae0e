import * as torch from "@penumbra/torch";
import { imageToImage } from "../../penumbra/src/diffusion/index.ts";
import { idsOf, loadModel, MODEL, parametersOf } from "./stable-diffusion.ts";
import { repeated, type Workload } from "./workload.ts";

const STEPS = 20;
const GUIDANCE = 5;
const BATCH = 16;
/** Faithful and strong redraws in one batch, as a study has them. */
const strengths = Array.from({ length: BATCH }, (_, image) => [0.2, 0.35, 0.7, 0.85][image % 4] ?? 0);
const prompts = Array.from({ length: BATCH }, (_, image) => `a photo of a ${["relay", "switch"][image % 2]}`);

/** One batch of redraws: image-to-image with guidance, several strengths at once. */
export function redraw(precision: "fp32" | "bf16"): Workload {
  return {
    module: "redraw",
    get parameters() {
      const [negativeIds = []] = idsOf([""]);
      const settings = { steps: STEPS, strengths, guidance: GUIDANCE, precision };
      return { model: MODEL, ids: idsOf(prompts), negative_ids: negativeIds, ...settings };
    },
    build() {
      const sd = loadModel();
      const photos = torch.rand([BATCH, 3, sd.imageSize, sd.imageSize]);
      const seeds = strengths.map((_, image) => image);
      const options = { prompts, strengths, steps: STEPS, guidanceScale: GUIDANCE, seeds, precision };
      const step = (): void => torch.scope(() => void imageToImage(sd, photos, options));
      return { run: repeated(step), facts: { parameters: parametersOf(sd), imageSize: sd.imageSize } };
    },
  };
}
