import { INTERPOLATIONS, type Interpolation } from "../../images/index.ts";
import { type EncoderWeights, ModelError } from "../../models/index.ts";
import type { StudyConfig } from "./config.ts";

/** Settings of a study of which nothing is left to be decided. */
export type SettledConfig = StudyConfig & {
  readonly imageSize: number;
  readonly interpolation: Interpolation;
};

const DEFAULT_SIZE = 64;

/** timm's names beside those that are the same here. */
const TIMM_NAMES: Readonly<Record<string, Interpolation>> = { lanczos: "lanczos3", random: "bilinear" };

/**
 * Decides size and interpolation of the photos where the configuration leaves them to the encoder's weights.
 * @throws ModelError for weights that want an interpolation that is not known here
 */
export function settleImages(config: StudyConfig, weights: EncoderWeights | null): SettledConfig {
  const { imageSize, interpolation } = config;
  return {
    ...config,
    imageSize: imageSize === "auto" ? (weights?.imageSize ?? DEFAULT_SIZE) : imageSize,
    interpolation: interpolation === "auto" ? interpolationOf(weights) : interpolation,
  };
}

function interpolationOf(weights: EncoderWeights | null): Interpolation {
  const given = weights?.interpolation;
  if (!given) return "lanczos3";
  const found = TIMM_NAMES[given] ?? INTERPOLATIONS.find((name) => name === given);
  if (found) return found;
  throw new ModelError(
    `${weights.configFile}: field "interpolation" is ${JSON.stringify(given)}, which is not known here. Set "interpolation" to ${INTERPOLATIONS.join(", ")}.`,
  );
}
