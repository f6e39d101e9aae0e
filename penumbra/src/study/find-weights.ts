import { type EncoderWeights, findEncoderWeights } from "../models/index.ts";
import { type LoadedConfig, type SettledConfig, settleImages } from "./config/index.ts";
import type { StageStore } from "./store/index.ts";

/** Settings with what photos become decided: the weights say it where the configuration leaves it to them. */
export async function settle(
  { config, folder }: Pick<LoadedConfig, "config" | "folder">,
  onNote?: (text: string) => void,
): Promise<SettledConfig> {
  const { weights } = config.encoder;
  const found = weights === undefined ? null : await findEncoderWeights(weights, { base: folder, onNote });
  return settleImages(config, found);
}

/**
 * The published weights that a configuration names, relative to its file; null where it names none.
 * @throws ModelError when they are missing
 */
export async function findWeights(
  { config, folder }: Pick<LoadedConfig, "config" | "folder">,
  store: StageStore,
): Promise<EncoderWeights | null> {
  const { weights } = config.encoder;
  if (weights === undefined) return null;
  return store.observe("weights", (progress, onNote) =>
    findEncoderWeights(weights, {
      base: folder,
      onNote,
      onProgress: (done, total) => progress(done, total, "MiB"),
    }),
  );
}
