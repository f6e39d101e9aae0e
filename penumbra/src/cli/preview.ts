import { Command } from "commander";
import { wholeNumber } from "./whole-number.ts";

interface PreviewFlags {
  readonly out: string;
  readonly rows: number;
  readonly versions: number;
  readonly seed: number;
  readonly preset?: string;
}

/** `penumbra preview CONFIG`: a sheet of what augmentation makes of one's own photos. */
export function previewCommand(): Command {
  return new Command("preview")
    .description(
      "write a sheet of what encoder.augment makes of the photos: each row a photo and random versions of it",
    )
    .argument("<config>", "study.yaml")
    .option("-o, --out <file>", "PNG file to write", "preview.png")
    .option(
      "--preset <name>",
      "show this preset instead of the configuration's: none, simclr, supcon or gentle",
    )
    .option("--rows <photos>", "photos at most", wholeNumber(1), 8)
    .option("--versions <count>", "versions of each photo", wholeNumber(1), 8)
    .option("--seed <seed>", "seed of the versions", wholeNumber(0), 0)
    .action(async (path: string, { out, preset, ...options }: PreviewFlags) => {
      const { loadConfig, parseSettings, writePreview } = await import("../study/index.ts");
      const { config, folder, tables } = await loadConfig(path);
      const encoder = {
        ...config.encoder,
        augment: preset === undefined ? config.encoder.augment : { preset },
      };
      const shown = parseSettings({ ...config, encoder }, "command line", tables);
      const rows = await writePreview({ config: shown, folder }, out, options);
      process.stdout.write(
        `Wrote ${out}: ${rows} photos, each with ${options.versions} versions to its right\n`,
      );
    });
}
