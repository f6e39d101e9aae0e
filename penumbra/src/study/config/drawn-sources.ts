import { sourcesOf } from "../arms/index.ts";
import type { LoadedConfig } from "./load-config.ts";

/** The sources whose images a study needs, in the order of the table; none where no encoder is trained. */
export function drawnSources({ config, tables }: Pick<LoadedConfig, "config" | "tables">): string[] {
  return config.encoder.train === "frozen" ? [] : sourcesOf(config.arms, tables.arms, tables.sources);
}
