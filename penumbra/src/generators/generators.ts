// The table of networks that draw. A new one is a folder beside this file and a line in the table.

import { ddpm } from "./ddpm/index.ts";
import { GeneratorError } from "./errors.ts";
import { gan } from "./gan/index.ts";
import type { ImageGenerator } from "./generator.ts";
import { latentDiffusion } from "./latent-diffusion/index.ts";
import { unclip } from "./unclip/index.ts";
import { autoencoder, vae } from "./vae/index.ts";

export const GENERATORS = {
  "latent-diffusion": latentDiffusion,
  autoencoder,
  vae,
  gan,
  ddpm,
  unclip,
} as const satisfies Record<string, ImageGenerator>;

export type GeneratorName = keyof typeof GENERATORS;
export const generatorNames = Object.keys(GENERATORS) as [GeneratorName, ...GeneratorName[]];

/** @throws GeneratorError for a name that is not in the table */
export function generatorNamed(name: string): ImageGenerator {
  const known = generatorNames.find((other) => other === name);
  if (known) return GENERATORS[known];
  throw new GeneratorError(`There is no generator "${name}". Choose one of: ${generatorNames.join(", ")}.`);
}
