import { detectorOf, UnknownsError } from "../unknowns/index.ts";
import { ConfigError, type LoadedConfig } from "./config/index.ts";

/**
 * Refuses candidates for settings of the detectors of which none can be tried with so few training photos.
 * @throws ConfigError that names the setting
 */
export function requireCandidates(
  { config, tables, path }: Pick<LoadedConfig, "config" | "tables" | "path">,
  trainPhotos: number,
): void {
  for (const name of config.detectors) {
    const { tuning } = detectorOf(name, tables.detectors);
    try {
      tuning?.candidates(config.tuning[name] ?? {}, trainPhotos);
    } catch (error) {
      if (!(error instanceof UnknownsError)) throw error;
      throw new ConfigError(`${path}: tuning.${name}: ${error.message}`);
    }
  }
}
