import { Command } from "commander";
import type { Exported, ExportPrecision, QualityFigures } from "../deploy/index.ts";
import { detectorOption } from "./detector.ts";

interface ExportFlags {
  readonly onnx?: string;
  readonly web?: string;
  readonly fp16?: boolean;
  readonly int8?: boolean;
  readonly photos?: string;
  readonly detector?: string;
  readonly json?: boolean;
}

/** `penumbra export MODEL --onnx FILE | --web DIR`: the classifier as one file that other languages run, or a page. */
export function exportCommand(): Command {
  return new Command("export")
    .description("write a classifier as one ONNX file: from the pixels of a photo of any size to the verdict")
    .argument("<model>", "classifier, as made by penumbra train: models/NAME")
    .option("--onnx <file>", "the file that is written, such as parts.onnx")
    .option(
      "--web <folder>",
      "a page that runs it in the browser, as static files (drop photos, or the camera)",
    )
    .option("--fp16", "the encoder in floats of 16 bits: half the size")
    .option("--int8", "the encoder in whole numbers of 8 bits: a quarter of the size, faster on processors")
    .option(
      "--photos <folder>",
      "where the photos lie that the classifier was made with (default: where they lay then)",
    )
    .addOption(detectorOption())
    .option("--json", "print what was written and how it compares as one JSON object")
    .action(async (model: string, flags: ExportFlags) => {
      if (flags.fp16 && flags.int8)
        throw new Error("--fp16 and --int8 exclude each other. Give one of them.");
      if (flags.onnx === undefined && flags.web === undefined)
        throw new Error(
          "There is nothing to write. Say where to: penumbra export MODEL --onnx FILE, or --web FOLDER",
        );
      const { exportOnnx, exportWebPage } = await import("../deploy/index.ts");
      const precision: ExportPrecision = flags.fp16 ? "fp16" : flags.int8 ? "int8" : "fp32";
      const options = {
        ...{ precision, onProgress: flags.json ? () => {} : showProgress },
        ...(flags.photos !== undefined && { photos: flags.photos }),
        ...(flags.detector !== undefined && { detector: flags.detector }),
      };
      const print = (exported: Exported) =>
        process.stdout.write(flags.json ? `${JSON.stringify(exported)}\n` : describe(exported));
      if (flags.onnx !== undefined) print(await exportOnnx(model, { ...options, out: flags.onnx }));
      if (flags.web === undefined) return;
      print(await exportWebPage(model, { ...options, out: flags.web }));
      if (!flags.json)
        process.stdout.write(`Serve ${flags.web} as static files, such as: npx http-server ${flags.web}\n`);
    });
}

/** One line that is rewritten, on a terminal only. */
function showProgress(what: string, done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\r${what} ${done} of ${total}${done === total ? "\n" : ""}`);
}

function describe({ file, bytes, verification, quality }: Exported): string {
  const { photos, objects, largestDifference, pixels, files } = verification;
  const byViews = objects > 0 ? ` and on ${objects} objects by all their views` : "";
  const lines = [
    `${file}: ${(bytes / 1e6).toFixed(1)} MB`,
    `Compared on ${photos} calibration photos${byViews}: all verdicts are the classifier's, largest difference of confidence and unknown score ${largestDifference.toExponential(1)}.`,
    pixels.equal === photos
      ? "Resizing: every pixel is the classifier's."
      : `Resizing: ${pixels.equal} of ${photos} photos have the classifier's pixels, the others differ by at most ${pixels.largest} of 255 levels.`,
  ];
  if (files.equal < photos || files.largest > largestDifference) {
    lines.push(
      `At the classifier's own pixels ${files.equal} of ${photos} verdicts are the same, largest difference ${files.largest.toExponential(1)}.`,
    );
  }
  if (quality) {
    const told = (name: string, of: (figures: QualityFigures) => number | null) => {
      const [before, after] = [of(quality.before), of(quality.after)];
      if (before === null || after === null) return `${name}: no near unknowns to measure it with`;
      return `${name} ${(100 * before).toFixed(1)} → ${(100 * after).toFixed(1)}`;
    };
    lines.push(
      `In fewer bits: ${told("accuracy %", ({ accuracy }) => accuracy)}; ${told("near AUROC %", ({ auroc }) => auroc)} (calibration photos; the p-values are computed anew).`,
    );
  }
  return `${lines.join("\n")}\n`;
}
