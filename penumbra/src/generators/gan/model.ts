import { join } from "node:path";
import { deriveSeed, manualSeed, noGrad, safetensors, scope, type Tensor } from "@penumbra/torch";
import { GanDiscriminator, GanGenerator } from "../../models/index.ts";
import type { DrawingItem, LoadedGenerator } from "../draw/artist.ts";
import { pixelFeatures, qualityOf } from "../draw/quality.ts";
import { collapseNote, diversity } from "../trainer/collapse.ts";
import { indices } from "../trainer/crops.ts";
import { noiseOf } from "../trainer/noise.ts";
import { asBytes, asFloat } from "../trainer/photo-batches.ts";
import { adoptWeights, folderHash, readDescription, readTensors } from "../trainer/photo-model.ts";
import { column, sharesOf } from "../trainer/shares.ts";
import { labelsInTurn, type PhotoParts, type PhotoTrainee } from "../trainer/train-on-photos.ts";
import { DIVERGENCE, DIVERSITY } from "../trainer/training-figures.ts";
import { GanSettings } from "./settings.ts";
import { GanTrainee } from "./trainee.ts";

const WEIGHTS = "model.safetensors";
const EARLY = "early.safetensors";
/** Not needed to draw, but to learn on. */
const DISCRIMINATOR = "discriminator.safetensors";

/** Images that the diversity of samples is measured on. */
const MEASURED = 64;

export function ganTrainee(parts: PhotoParts<GanSettings>): PhotoTrainee {
  const { settings, classes, images, batches, device, compute, from } = parts;
  const { seed } = settings;
  const config = { ...settings, classes: classes.length };
  manualSeed(deriveSeed(seed, "gan", "initial weights"));
  const networks = {
    generator: new GanGenerator(config),
    discriminator: new GanDiscriminator(config),
    average: new GanGenerator(config),
    early: new GanGenerator(config),
  };
  if (from) {
    const options = { isSameClasses: from.isSameClasses, from: from.folder };
    adoptWeights(networks.generator, readTensors(from.folder, WEIGHTS), options);
    adoptWeights(networks.discriminator, readTensors(from.folder, DISCRIMINATOR), options);
  }
  for (const network of Object.values(networks)) network.to({ device, memoryFormat: "channelsLast" });
  const trainee = new GanTrainee({ ...settings, ...networks, batches, compute });
  const { average } = networks;
  const drawn = (count: number): Tensor => {
    const seeds = Array.from({ length: count }, (_, i) => deriveSeed(seed, "sample", i));
    const z = noiseOf(seeds, "latents", [settings.latentSize], device);
    return average.forward(z, labelsInTurn(classes.length, count, device));
  };
  const spreadNow = () =>
    noGrad(() =>
      scope(() =>
        diversity(drawn(MEASURED), asFloat(images.narrow(0, 0, Math.min(MEASURED, images.shape[0]!)))),
      ),
    );
  let told = false;
  const samples = (count: number) => noGrad(() => scope(() => asBytes(drawn(count)).to("cpu")));
  /** Share of the photos that lie among as many samples. */
  const recall = () =>
    scope(() => {
      const count = Math.min(MEASURED, images.shape[0]!);
      const photos = pixelFeatures(images.narrow(0, 0, count).to("cpu"));
      return qualityOf(pixelFeatures(samples(MEASURED)), photos).recall;
    });
  return Object.assign(trainee, {
    samples,
    figures: (): Record<string, number> => {
      if (images.shape[0]! < 2) return {};
      const share = spreadNow();
      const note = collapseNote(share);
      if (note && !told) parts.onLine(`gan: ${note}`);
      told = note !== null;
      const among = recall();
      const divergence = trainee.divergence();
      return {
        [DIVERSITY]: share,
        ...(divergence !== null && { [DIVERGENCE]: divergence }),
        ...(among !== null && { "recall of photos": among }),
      };
    },
    notes: () => {
      const note = images.shape[0]! < 2 ? null : collapseNote(spreadNow());
      return note ? [note] : [];
    },
    save: (folder: string) =>
      scope(() => {
        const { early } = trainee;
        const kept = early.taken.item() > 0 ? early.network : average;
        for (const [file, network] of [
          [WEIGHTS, average],
          [EARLY, kept],
          [DISCRIMINATOR, networks.discriminator],
        ] as const)
          safetensors.write(join(folder, file), network.stateDict(), { format: "pt" });
      }),
  });
}

/** @throws GeneratorError for a folder that holds no such model */
export function loadGan(folder: string, { device = "cpu" } = {}): LoadedGenerator {
  const { classes, settings: raw } = readDescription(folder, "gan");
  const settings = GanSettings.parse(raw);
  const read = (file: string) => {
    const network = new GanGenerator({ ...settings, classes: classes.length });
    adoptWeights(network, readTensors(folder, file), { isSameClasses: true, from: folder });
    network.to({ device, memoryFormat: "channelsLast" });
    return network;
  };
  const networks = { finished: read(WEIGHTS), early: read(EARLY) };
  const own = (items: readonly DrawingItem[]) =>
    indices(
      items.map(({ label }) => label),
      device,
    );
  return {
    imageSize: settings.imageSize,
    classes,
    hash: folderHash(folder),
    draw: (way, items) =>
      noGrad(() =>
        scope(() => {
          const dials = column(
            items.map(({ dial }) => dial),
            2,
            device,
          );
          const noise = noiseOf(
            items.map(({ seed }) => seed),
            "latents",
            [settings.latentSize],
            device,
          );
          const mixed = () => sharesOf(items, ({ dial }) => dial, classes.length, device);
          const network = way === "early" ? networks.early : networks.finished;
          const z =
            way === "truncated" ? truncated(noise, dials) : way === "mixed" ? noise : noise.mul(dials);
          return network.forward(z, way === "mixed" ? mixed() : own(items)).to("float32");
        }),
      ),
  };
}

/**
 * Normal numbers as if all beyond a bound had been drawn again (the truncation of Brock et al. 2019, section 3.1), by
 * the inverse of the distribution: each number keeps its rank.
 *
 * @param bounds in standard deviations, [B, 1]
 */
export function truncated(noise: Tensor, bounds: Tensor): Tensor {
  return scope(() => {
    const inside = bounds.div(Math.SQRT2).erf(); // P(|z| < bound)
    const rank = noise.div(Math.SQRT2).erf().mul(inside); // in -1..1
    return rank.erfinv().mul(Math.SQRT2);
  });
}
