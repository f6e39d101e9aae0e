import { join } from "node:path";
import { deriveSeed, manualSeed, noGrad, safetensors, scope, type Tensor } from "@penumbra/torch";
import { ImageVae } from "../../models/index.ts";
import type { DrawingItem, LoadedGenerator } from "../draw/artist.ts";
import { indices } from "../trainer/crops.ts";
import { noiseOf } from "../trainer/noise.ts";
import { asBytes, asFloat } from "../trainer/photo-batches.ts";
import { adoptWeights, folderHash, readDescription, readTensors } from "../trainer/photo-model.ts";
import { column, sharesOf } from "../trainer/shares.ts";
import { labelsInTurn, type PhotoParts, type PhotoTrainee } from "../trainer/train-on-photos.ts";
import { LIKELIHOODS } from "./losses.ts";
import { VaeSettings } from "./settings.ts";
import { VaeTrainee } from "./trainee.ts";

const WEIGHTS = "model.safetensors";
const LATENTS = "latents.safetensors";

/** Standard deviations of all latents that one of an autoencoder's posterior, which has none, stands for. */
const AUTOENCODER_NOISE = 0.1;

/** What the latents of all images of a training are like: [latentSize] each. */
interface LatentStatistics {
  readonly mean: Tensor;
  readonly std: Tensor;
}

function networkOf(settings: VaeSettings, classes: number): ImageVae {
  const { imageSize, latentSize, width } = settings;
  return new ImageVae({ imageSize, classes, latentSize, width });
}

export function vaeTrainee(parts: PhotoParts<VaeSettings>): PhotoTrainee {
  const { settings, classes, images, labels, batches, device, compute, from } = parts;
  manualSeed(deriveSeed(settings.seed, "vae", "initial weights"));
  const network = networkOf(settings, classes.length);
  if (from) {
    adoptWeights(network, readTensors(from.folder, WEIGHTS), {
      isSameClasses: from.isSameClasses,
      from: from.folder,
    });
  }
  network.to({ device, memoryFormat: "channelsLast" });
  const average = networkOf(settings, classes.length).to({ device, memoryFormat: "channelsLast" });
  const trainee = new VaeTrainee({ ...settings, network, average, batches, compute });
  const statistics = () => statisticsOf(average, images, labels);
  return Object.assign(trainee, {
    samples: (count: number) =>
      noGrad(() =>
        scope(() => {
          const seeds = Array.from({ length: count }, (_, i) => deriveSeed(settings.seed, "sample", i));
          const noise = noiseOf(seeds, "latents", [settings.latentSize], device);
          const z = settings.beta === 0 ? ownPrior(statistics(), noise) : noise;
          const output = average.decode(z, labelsInTurn(classes.length, count, device));
          return asBytes(LIKELIHOODS[settings.reconstruction].mean(output)).to("cpu");
        }),
      ),
    save: (folder: string) =>
      scope(() => {
        safetensors.write(join(folder, WEIGHTS), average.stateDict(), { format: "pt" });
        safetensors.write(join(folder, LATENTS), { ...statistics() });
      }),
  });
}

/** Mean and standard deviation of the latents of images. */
function statisticsOf(network: ImageVae, images: Tensor, labels: readonly number[]): LatentStatistics {
  return noGrad(() =>
    scope(() => {
      const all = indices(labels, images.device);
      const { mean } = network.encode(asFloat(images), all);
      return { mean: mean.mean([0]), std: mean.std([0], { unbiased: false }).clamp({ min: 1e-3 }) };
    }),
  );
}

/** A draw from the normal distribution of an autoencoder's own latents. */
function ownPrior({ mean, std }: LatentStatistics, noise: Tensor): Tensor {
  return mean.add(std.mul(noise));
}

/** @throws GeneratorError for a folder that holds no such model */
export function loadVae(folder: string, generator: string, { device = "cpu" } = {}): LoadedGenerator {
  const { classes, settings: raw } = readDescription(folder, generator);
  const settings = VaeSettings.parse(raw);
  const network = networkOf(settings, classes.length);
  adoptWeights(network, readTensors(folder, WEIGHTS), { isSameClasses: true, from: folder });
  network.to({ device, memoryFormat: "channelsLast" });
  const stored = readTensors(folder, LATENTS);
  const statistics = { mean: stored.mean!.to(device), std: stored.std!.to(device) };
  return {
    imageSize: settings.imageSize,
    classes,
    hash: folderHash(folder),
    draw: (way, items, photos) =>
      noGrad(() =>
        scope(() => {
          const { z, labels } = LATENTS_OF[way]!(
            { network, settings, statistics, classes: classes.length },
            items,
            photos,
          );
          return LIKELIHOODS[settings.reconstruction].mean(network.decode(z, labels)).to("float32");
        }),
      ),
  };
}

interface Drawer {
  readonly network: ImageVae;
  readonly settings: VaeSettings;
  readonly statistics: LatentStatistics;
  readonly classes: number;
}

type LatentsOf = (
  drawer: Drawer,
  items: readonly DrawingItem[],
  photos: Tensor,
) => { readonly z: Tensor; readonly labels: Tensor };

/** What is decoded, by the name of the way. */
const LATENTS_OF: Readonly<Record<string, LatentsOf>> = {
  posterior: (drawer, items, photos) => {
    const { mean, logvar, labels } = posteriorsOf(drawer, items, photos, "photo");
    const isVae = drawer.settings.beta > 0;
    const std = isVae ? logvar.mul(0.5).exp() : drawer.statistics.std.mul(AUTOENCODER_NOISE);
    return { z: mean.add(std.mul(noiseFor(drawer, items))), labels };
  },
  noise: (drawer, items, photos) => {
    const { mean, labels } = posteriorsOf(drawer, items, photos, "photo");
    return { z: mean.add(drawer.statistics.std.mul(noiseFor(drawer, items))), labels };
  },
  prior: (drawer, items) => {
    const noise = noiseFor(drawer, items);
    const labels = labelsOf(drawer, items, "label");
    return { z: drawer.settings.beta > 0 ? noise : ownPrior(drawer.statistics, noise), labels };
  },
  interpolation: (drawer, items, photos) => {
    const { device } = photos;
    const [own, other] = (["photo", "otherPhoto"] as const).map((which) =>
      posteriorsOf(drawer, items, photos, which),
    ) as [ReturnType<typeof posteriorsOf>, ReturnType<typeof posteriorsOf>];
    const share = column(
      items.map(({ dial }) => dial),
      2,
      device,
    );
    return {
      z: own.mean.add(other.mean.sub(own.mean).mul(share)),
      labels: sharesOf(items, ({ dial }) => dial, drawer.classes, device),
    };
  },
};

/** The items' noise, as strong as their dials say. */
function noiseFor({ settings, statistics }: Drawer, items: readonly DrawingItem[]): Tensor {
  const { device } = statistics.mean;
  const noise = noiseOf(
    items.map(({ seed }) => seed),
    "latents",
    [settings.latentSize],
    device,
  );
  return noise.mul(
    column(
      items.map(({ dial }) => dial),
      2,
      device,
    ),
  );
}

function labelsOf(
  { statistics }: Drawer,
  items: readonly DrawingItem[],
  which: "label" | "otherLabel",
): Tensor {
  return indices(
    items.map((item) => item[which]),
    statistics.mean.device,
  );
}

function posteriorsOf(
  drawer: Drawer,
  items: readonly DrawingItem[],
  photos: Tensor,
  which: "photo" | "otherPhoto",
) {
  const rows = indices(
    items.map((item) => item[which]),
    photos.device,
  );
  const labels = labelsOf(drawer, items, which === "photo" ? "label" : "otherLabel");
  return { ...drawer.network.encode(photos.indexSelect(0, rows), labels), labels };
}
