// The super-resolution of published unCLIP models: larger images from the decoder's, by two networks in pixels.
import { cpSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cat, nn, noGrad, scope, type Tensor, tensor } from "@penumbra/torch";
import {
  defaultSampler,
  type Predict,
  readSchedulerConfig,
  readySampler,
  type SchedulerConfig,
  Walking,
} from "../../diffusion/index.ts";
import { readJson, UNet2DModel } from "../../models/index.ts";
import { GeneratorError } from "../errors.ts";
import { startsOf, type UnclipSampling, type UnclipStarts } from "./draw.ts";
import { edgeOf, INDEX } from "./parts.ts";

/** What enlarges images: networks that see the small image, enlarged, beside the noisy large one. */
export interface SuperResolution {
  /** Takes all steps but the last one. */
  readonly first: UNet2DModel;
  readonly last: UNet2DModel;
  readonly schedule: SchedulerConfig;
  /** Edge of its images in pixels. */
  readonly imageSize: number;
}

const FIRST = "super_res_first";
const LAST = "super_res_last";
const SCHEDULE = "super_res_scheduler";

/** The folders of diffusers' layout, with what model_index.json says of them. */
const FOLDERS: Readonly<Record<string, readonly [string, string]>> = {
  [FIRST]: ["diffusers", "UNet2DModel"],
  [LAST]: ["diffusers", "UNet2DModel"],
  [SCHEDULE]: ["diffusers", "UnCLIPScheduler"],
};

/** The image's channels and those of the small one. */
const CHANNELS = 3;

/**
 * Reads the super-resolution of an unCLIP model in diffusers' layout: super_res_first/, super_res_last/ and their
 * schedule; null where the folder has none.
 *
 * @throws GeneratorError naming what is missing or of another kind; ModelError or DiffusionError for a file that is wrong
 */
export function readSuperResolution(folder: string): SuperResolution | null {
  const missing = Object.keys(FOLDERS).filter((part) => !existsSync(join(folder, part)));
  if (missing.length === Object.keys(FOLDERS).length) return null;
  if (missing.length > 0)
    throw new GeneratorError(
      `"${folder}" lacks ${missing.join(", ")} of its super-resolution. Copy what is missing from the published model, or remove ${Object.keys(FOLDERS).join(", ")}: images are then as large as the decoder draws them.`,
    );
  const [first, last] = [FIRST, LAST].map((part) => readNetwork(folder, part)) as [UNet2DModel, UNet2DModel];
  return { first, last, schedule: readSchedulerConfig(folder, SCHEDULE), imageSize: edgeOf(first, FIRST) };
}

function readNetwork(folder: string, part: string): UNet2DModel {
  const network = nn.init.skip(() => UNet2DModel.load(join(folder, part)));
  const { in_channels: channels } = network.config;
  if (channels === 2 * CHANNELS) return network;
  throw new GeneratorError(
    `"${folder}": ${part}/ takes ${channels} channels; a super-resolution takes the noisy image's ${CHANNELS} and the small one's ${CHANNELS}. Use the one of an unCLIP model.`,
  );
}

/** Takes the super-resolution of one model's folder into another's, which has been written; does nothing where there is none. */
export function copySuperResolution(from: string, to: string): void {
  const parts = Object.keys(FOLDERS).filter((part) => existsSync(join(from, part)));
  if (parts.length === 0) return;
  for (const part of parts) cpSync(join(from, part), join(to, part), { recursive: true, dereference: true });
  const index = { ...readJson(join(to, INDEX)), ...FOLDERS };
  writeFileSync(join(to, INDEX), `${JSON.stringify(index, null, 2)}\n`);
}

export interface EnlargeOptions extends Pick<UnclipSampling, "steps" | "stepNoise">, UnclipStarts {
  /** float32 [B, 3, s, s] in about -1..1: what is enlarged. */
  readonly small: Tensor;
}

/** Pixels that a network sees at once: each is some hundred numbers in every layer of a published one. */
const PIXELS_AT_ONCE = 2 ** 17;

/** Large images of small ones (Ramesh et al. 2022, section 2.1; as diffusers' UnCLIPPipeline): [B, 3, S, S] in about -1..1. */
export function enlarge(
  { first, last, schedule, imageSize: size }: SuperResolution,
  { small, from, strengths, noise, steps, stepNoise }: EnlargeOptions,
): Tensor {
  return noGrad(() =>
    scope(() => {
      const sampler = readySampler(defaultSampler(schedule));
      const walks = strengths.map((strength) => sampler.walk(schedule, steps, strength));
      const seen = small.clamp({ min: -1, max: 1 })._upsampleBicubic2dAa([size, size], false);
      using walking = new Walking({
        ...{ latents: startsOf(schedule, walks, { from, strengths, noise }), walks, sampler, stepNoise },
      });
      const ordered = seen.indexSelect(
        0,
        tensor([...walking.order], { dtype: "int64", device: seen.device }),
      );
      const atOnce = Math.max(1, Math.floor(PIXELS_AT_ONCE / size ** 2));
      const predict: Predict = (sample, timesteps) => {
        const network = walking.done === walking.total - 1 ? last : first;
        const count = sample.shape[0]!;
        const both = cat([sample, ordered.narrow(0, 0, count)], { dim: 1 });
        const times =
          typeof timesteps === "number"
            ? null
            : tensor([...timesteps], { device: both.device }).split(atOnce);
        return cat(
          both.split(atOnce).map((some, i) => network.forward(some, times?.[i] ?? (timesteps as number))),
        );
      };
      while (walking.step(predict));
      return walking.now();
    }),
  );
}
