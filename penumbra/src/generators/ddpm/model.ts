import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cat, deriveSeed, manualSeed, noGrad, scope, type Tensor, tensor } from "@penumbra/torch";
import {
  addNoise,
  type Predict,
  parseSchedulerConfig,
  readSchedulerConfig,
  readySampler,
  type SchedulerConfig,
  walkDown,
} from "../../diffusion/index.ts";
import { saveModel, UNet2DModel } from "../../models/index.ts";
import type { DrawingItem, LoadedGenerator } from "../draw/artist.ts";
import { indices } from "../trainer/crops.ts";
import { noiseOf } from "../trainer/noise.ts";
import { asBytes } from "../trainer/photo-batches.ts";
import { adoptWeights, folderHash, readDescription } from "../trainer/photo-model.ts";
import type { PhotoParts, PhotoTrainee } from "../trainer/train-on-photos.ts";
import { headSize } from "../trainer/unet-settings.ts";
import { DdpmSettings } from "./settings.ts";
import { DdpmTrainee } from "./trainee.ts";

const UNET = "unet";
const EARLY = "unet_early";
const SCHEDULER = "scheduler";

/**
 * The UNet of these settings, or of the one that is learned on; one class more than there are stands for none.
 */
function networkOf(settings: DdpmSettings, classes: number, origin?: UNet2DModel): UNet2DModel {
  const told = settings.conditional ? classes + 1 : null;
  if (origin) return new UNet2DModel({ ...origin.config, num_class_embeds: told });
  const { imageSize, channels, layersPerBlock, attentionLevels, variance } = settings;
  const hasAttention = (level: number) => level >= channels.length - attentionLevels;
  const types = channels.map((_, level) => (hasAttention(level) ? "AttnDownBlock2D" : "DownBlock2D"));
  return new UNet2DModel({
    sample_size: imageSize,
    in_channels: 3,
    out_channels: variance === "learned" ? 6 : 3,
    block_out_channels: channels,
    down_block_types: types as [(typeof types)[number]],
    up_block_types: [...types].reverse().map((type) => type.replace("Down", "Up")) as ["UpBlock2D"],
    layers_per_block: layersPerBlock,
    attention_head_dim: headSize(channels),
    norm_num_groups: 8,
    add_attention: attentionLevels > 0,
    num_class_embeds: told,
  });
}

function schedulerOf({ noiseSchedule, timesteps, predictionType, variance }: DdpmSettings): SchedulerConfig {
  return parseSchedulerConfig({
    _class_name: "DDPMScheduler",
    num_train_timesteps: timesteps,
    beta_start: 0.0001,
    beta_end: 0.02,
    beta_schedule: noiseSchedule === "linear" ? "linear" : "squaredcos_cap_v2",
    prediction_type: predictionType,
    variance_type: variance === "learned" ? "learned_range" : "fixed_small",
    clip_sample: true,
    clip_sample_range: 1,
    steps_offset: 0,
    // So that sampling begins at the noisiest timestep (Lin et al. 2024).
    timestep_spacing: "trailing",
    set_alpha_to_one: true,
  });
}

/** What samples, with what it needs to know. */
interface Sampling {
  readonly unet: UNet2DModel;
  readonly scheduler: SchedulerConfig;
  readonly device: string;
  readonly sampler: DdpmSettings["sampler"];
  readonly sampleSteps: number;
  readonly guidanceScale: number;
}

/** Images to be drawn: from photos noised as far as a strength says. */
interface SampledItem {
  readonly seed: number;
  readonly strength: number;
  /** The class that it is drawn towards. */
  readonly label: number;
}

/**
 * Samples from photos (SDEdit, Meng et al. 2022); at strength 1 nearly from noise, at 0 they stay as they are.
 * @param photos float32 [items, 3, S, S] in -1..1
 */
function sampleFrom(sampling: Sampling, items: readonly SampledItem[], photos: Tensor): Tensor {
  const { unet, scheduler, device, guidanceScale, sampleSteps } = sampling;
  const sampler = readySampler({ name: sampling.sampler });
  const walks = items.map(({ strength }) => sampler.walk(scheduler, sampleSteps, strength));
  const shape = photos.shape.slice(1);
  const seeds = items.map(({ seed }) => seed);
  const starts = walks.map(({ timesteps, start }) => timesteps[start] ?? null);
  const latents = addNoise(scheduler, photos, noiseOf(seeds, "noise", shape, device), starts);
  const channels = shape[0]!;
  // The second half of the channels is the variance, which DDPM alone asks for.
  const isLearned = unet.config.out_channels === 2 * channels;
  const wanted = isLearned && sampling.sampler !== "ddpm" ? channels : unet.config.out_channels;
  const predictorFor = (order: readonly number[]): Predict => {
    const labels = indices(
      order.map((item) => items[item]!.label),
      device,
    );
    const none = indices(
      order.map(() => (unet.config.num_class_embeds ?? 1) - 1),
      device,
    );
    return (sample, timesteps) => {
      const count = sample.shape[0]!;
      const steps = typeof timesteps === "number" ? timesteps : tensor([...timesteps], { device });
      const own = labels.narrow(0, 0, count);
      if (!unet.classEmbedding || guidanceScale <= 1)
        return unet.forward(sample, steps, own).narrow(1, 0, wanted);
      const twice = typeof steps === "number" ? steps : cat([steps, steps]);
      const both = cat([none.narrow(0, 0, count), own]);
      const [away, toward] = unet.forward(cat([sample, sample]), twice, both).chunk(2) as [Tensor, Tensor];
      // Guidance leads what is predicted; of the variance the class's own is taken.
      const [from, to] = [away, toward].map((output) => output.narrow(1, 0, channels)) as [Tensor, Tensor];
      const guided = from.add(to.sub(from).mul(guidanceScale));
      return wanted === channels ? guided : cat([guided, toward.narrow(1, channels, channels)], { dim: 1 });
    };
  };
  return walkDown(
    {
      latents,
      walks,
      sampler,
      stepNoise: (which, step) =>
        noiseOf(
          which.map((item) => seeds[item]!),
          `step ${step}`,
          shape,
          device,
        ),
    },
    predictorFor,
  );
}

export function ddpmTrainee(parts: PhotoParts<DdpmSettings>): PhotoTrainee {
  const { settings, classes, batches, images, device, compute, from } = parts;
  const { seed, conditional, labelDropout, earlyShare, imageSize } = settings;
  manualSeed(deriveSeed(seed, "ddpm", "initial weights"));
  const origin = from && UNet2DModel.load(join(from.folder, UNET));
  const [denoiser, average, early] = Array.from({ length: 3 }, () =>
    networkOf(settings, classes.length, origin),
  ) as [UNet2DModel, UNet2DModel, UNet2DModel];
  if (origin)
    adoptWeights(denoiser, origin.stateDict(), { isSameClasses: from.isSameClasses, from: from.folder });
  for (const network of [denoiser, average, early]) network.to({ device, memoryFormat: "channelsLast" });
  const scheduler = schedulerOf(settings);
  const trainee = new DdpmTrainee({
    ...{ denoiser, average, early, batches, compute, scheduler, seed, earlyShare },
    ...{ learningRate: settings.learningRate, emaDecay: settings.emaDecay },
    learnsVariance: settings.variance === "learned",
    dropout: conditional && labelDropout > 0 ? { label: classes.length, share: labelDropout } : null,
  });
  return Object.assign(trainee, {
    samples: (count: number) =>
      noGrad(() =>
        scope(() => {
          const items = Array.from({ length: count }, (_, i) => ({
            seed: deriveSeed(seed, "sample", i),
            strength: 1,
            label: i % classes.length,
          }));
          const grey = images.narrow(0, 0, 1).to("float32").mul(0).expand([count, 3, imageSize, imageSize]);
          return asBytes(sampleFrom({ ...settings, unet: average, scheduler, device }, items, grey)).to(
            "cpu",
          );
        }),
      ),
    save: (folder: string) => {
      const kept = trainee.early!.taken.item() > 0 ? early : average;
      saveModel(join(folder, UNET), average, { _class_name: "UNet2DModel", ...average.config });
      saveModel(join(folder, EARLY), kept, { _class_name: "UNet2DModel", ...kept.config });
      mkdirSync(join(folder, SCHEDULER), { recursive: true });
      const text = `${JSON.stringify(scheduler, null, 2)}\n`;
      writeFileSync(join(folder, SCHEDULER, "scheduler_config.json"), text);
    },
  });
}

/** How a model that was published without a description is drawn with. */
const PUBLISHED = { classes: ["all"] } as const;

/** Whether a folder is a model of diffusers, which nobody here trained. */
export function isPublished(folder: string): boolean {
  return !existsSync(join(folder, "generator.json")) && existsSync(join(folder, UNET, "config.json"));
}

/**
 * Loads a finished model, or a published one: a folder with `unet/` and `scheduler/` as diffusers writes them.
 * @throws GeneratorError or ModelError for a folder that holds no such model
 */
export function loadDdpm(folder: string, { device = "cpu" } = {}): LoadedGenerator {
  const { classes, settings: raw } = isPublished(folder)
    ? { classes: PUBLISHED.classes, settings: {} }
    : readDescription(folder, "ddpm");
  const settings = DdpmSettings.parse(raw);
  const read = (part: string) => {
    const unet = UNet2DModel.load(join(folder, part));
    unet.to({ device, memoryFormat: "channelsLast" });
    return unet;
  };
  const finished = read(UNET);
  const early = existsSync(join(folder, EARLY)) ? read(EARLY) : finished;
  const { sample_size: size } = finished.config;
  const scheduler = readSchedulerConfig(folder);
  return {
    imageSize: (typeof size === "number" ? size : size?.[0]) ?? settings.imageSize,
    classes,
    hash: folderHash(folder),
    draw: (way, items, photos) =>
      noGrad(() =>
        scope(() => {
          const unet = way === "early" ? early : finished;
          const rows = indices(
            items.map(({ photo }) => photo),
            device,
          );
          const towards = ({ label, otherLabel }: DrawingItem) => (way === "crossed" ? otherLabel : label);
          const sampled = items.map((item) => ({
            seed: item.seed,
            strength: item.dial,
            label: towards(item),
          }));
          return sampleFrom({ ...settings, unet, scheduler, device }, sampled, photos.indexSelect(0, rows));
        }),
      ),
  };
}
