import * as torch from "@penumbra/torch";
import { manualSeed, type nn } from "@penumbra/torch";
import { parseSchedulerConfig } from "../../penumbra/src/diffusion/index.ts";
import { DdpmTrainee } from "../../penumbra/src/generators/ddpm/index.ts";
import { GanTrainee } from "../../penumbra/src/generators/gan/index.ts";
import type { Batches } from "../../penumbra/src/generators/trainer/photo-batches.ts";
import { VaeTrainee } from "../../penumbra/src/generators/vae/index.ts";
import { GanDiscriminator, GanGenerator, ImageVae, UNet2DModel } from "../../penumbra/src/models/index.ts";
import { type Built, repeated, type Workload } from "./workload.ts";

// Whole training steps of the generators that learn from photos: batch, noise, losses, penalties, optimizer, averages.

const SHAPE = { batch: 16, size: 32, classes: 4 };
const VAE = { ...SHAPE, latent: 64, width: 32 };
const GAN = { ...SHAPE, latent: 64, width: 32, r1: 1 };
const DDPM = { ...SHAPE, channels: [32, 64, 96], groups: 8, head: 8, timesteps: 1000 };

function batches(): Batches {
  const { batch, size, classes } = SHAPE;
  const x = torch.keep(torch.randn([batch, 3, size, size]).tanh().to({ memoryFormat: "channelsLast" }));
  const labels = torch.keep(torch.arange(batch, { dtype: "int64" }).remainder(classes));
  return { device: "cpu", batchSize: batch, at: () => ({ x, labels }) };
}

function built(
  trainee: { step(step: number, learningRate: number, progress: number): unknown },
  network: nn.AnyModule,
): Built {
  let steps = 0;
  const step = () =>
    torch.scope(() => {
      trainee.step(steps++, 1e-4, 0); // before the early copy is taken
    });
  const parameters = [...network.parameters()].reduce((sum, { numel }) => sum + numel, 0);
  return { run: repeated(step), facts: { parameters } };
}

const inOrder = <Network extends nn.AnyModule>(network: Network): Network => {
  network.to({ memoryFormat: "channelsLast" });
  return network;
};

const common = { compute: <T>(fn: () => T) => fn(), seed: 0, learningRate: 1e-4, emaDecay: 0.99 };

export const vaeStep: Workload = {
  module: "vae_step",
  parameters: VAE,
  build() {
    manualSeed(0);
    const { size: imageSize, classes, latent: latentSize, width } = VAE;
    const make = () => inOrder(new ImageVae({ imageSize, classes, latentSize, width }));
    const [network, average] = [make(), make()];
    const trainee = new VaeTrainee({
      ...{ ...common, network, average, batches: batches() },
      ...{ reconstruction: "mse", beta: 0.02, freeBits: 0 },
    });
    return built(trainee, network);
  },
};

export const ganStep: Workload = {
  module: "gan_step",
  parameters: GAN,
  build() {
    manualSeed(0);
    const { size: imageSize, classes, latent: latentSize, width, r1 } = GAN;
    const config = { architecture: "dcgan" as const, imageSize, classes, latentSize, width };
    const make = () => inOrder(new GanGenerator(config));
    const [generator, average, early] = [make(), make(), make()];
    const discriminator = inOrder(new GanDiscriminator(config));
    const trainee = new GanTrainee({
      ...{ ...common, generator, discriminator, average, early, batches: batches(), r1 },
      ...{ objective: "non-saturating", gradientPenalty: 0, discriminatorSteps: 1, augment: false },
      earlyShare: 1,
    });
    return built(trainee, generator);
  },
};

export const ddpmStep: Workload = {
  module: "ddpm_step",
  parameters: DDPM,
  build() {
    manualSeed(0);
    const { size, classes, channels, groups, head, timesteps } = DDPM;
    const make = () =>
      inOrder(
        new UNet2DModel({
          ...{ sample_size: size, block_out_channels: channels as [number], layers_per_block: 1 },
          down_block_types: ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
          up_block_types: ["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
          ...{ attention_head_dim: head, norm_num_groups: groups, num_class_embeds: classes + 1 },
        }),
      );
    const [denoiser, average, early] = [make(), make(), make()];
    const scheduler = parseSchedulerConfig({
      num_train_timesteps: timesteps,
      beta_schedule: "squaredcos_cap_v2",
    });
    const trainee = new DdpmTrainee({
      ...{ ...common, denoiser, average, early, batches: batches(), scheduler },
      ...{ learnsVariance: false, dropout: { label: classes, share: 0.1 }, earlyShare: 1 },
    });
    return built(trainee, denoiser);
  },
};
