import { resolve } from "node:path";
import { type EncoderWeights, findEncoderWeights } from "../models/index.ts";
import type { LoadedConfig } from "./config/index.ts";
import type { StageStore } from "./store/index.ts";

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
  return store.observe("weights", (progress) =>
    findEncoderWeights(resolve(folder, weights), (done, total) => progress(done, total, "MiB")),
  );
}
