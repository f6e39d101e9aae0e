import { resolve } from "node:path";
import { Command } from "commander";
import type { Manifest } from "../data/index.ts";
import type { Evaluation, Share } from "../deploy/index.ts";

interface EvaluateFlags {
  readonly anyway?: boolean;
  readonly json?: boolean;
  readonly device: string;
}

/** `penumbra evaluate MODEL PHOTOS`: how good a classifier is on labelled photos that it has not seen. */
export function evaluateCommand(): Command {
  return new Command("evaluate")
    .description(
      "hold a classifier against labelled photos (known, near and far classes) that it has not seen",
    )
    .argument("<model>", "classifier, as made by penumbra train: models/NAME")
    .argument(
      "<photos-or-config>",
      "folder or list of photos as a study takes them, or a study.yaml with their roles",
    )
    .option("--anyway", "also with photos that the classifier was made with, which flatters it")
    .option("--json", "print all figures as one JSON object")
    .option("--device <device>", "cpu, cuda or cuda:N", "cpu")
    .action(async (model: string, place: string, flags: EvaluateFlags) => {
      const { evaluateClassifier, loadClassifier, readUsedPhotos } = await import("../deploy/index.ts");
      using classifier = loadClassifier(model, { device: flags.device });
      const manifest = await scan(place);
      const seen = seenPhotos(manifest, await readUsedPhotos(model));
      if (seen.length > 0 && !flags.anyway) throw new Error(refusal(model, place, seen, manifest));
      const units = hasViews(manifest) ? (["photo", "object"] as const) : (["photo"] as const);
      const evaluations: Partial<Record<(typeof units)[number], Evaluation>> = {};
      for (const unit of units) evaluations[unit] = await evaluateClassifier(classifier, manifest, { unit });
      if (flags.json) {
        process.stdout.write(
          `${JSON.stringify({ model, photos: place, seen: seen.length, ...evaluations })}\n`,
        );
        return;
      }
      if (seen.length > 0)
        process.stdout.write(
          `${seen.length} of ${manifest.photos.length} photos are ones that it was made with: the figures flatter it.\n`,
        );
      for (const unit of units) process.stdout.write(`${describe(unit, evaluations[unit]!)}\n`);
      for (const line of evaluations.photo!.unreadable) process.stdout.write(`Cannot be read: ${line}\n`);
    });
}

async function scan(place: string): Promise<Manifest> {
  const { scanPhotos } = await import("../data/index.ts");
  if (!/\.ya?ml$/.test(place)) return scanPhotos(place);
  const { loadConfig, scanOptionsOf } = await import("../study/index.ts");
  const { config, folder } = await loadConfig(place);
  return scanPhotos(resolve(folder, config.photos), scanOptionsOf(config));
}

/** Photos whose bytes a classifier was made with, under whatever name. */
function seenPhotos(manifest: Manifest, used: readonly { readonly hash: string }[]): string[] {
  const hashes = new Set(used.map(({ hash }) => hash));
  return manifest.photos.filter(({ hash }) => hashes.has(hash)).map(({ id }) => id);
}

function refusal(model: string, place: string, seen: readonly string[], { photos }: Manifest): string {
  return `${model} was made with ${seen.length} of the ${photos.length} photos in ${place}, such as ${seen[0]}: figures on them would flatter it. Give photos that it has not seen, or --anyway.`;
}

function hasViews({ photos }: Manifest): boolean {
  return new Set(photos.map(({ role, object }) => `${role}/${object}`)).size < photos.length;
}

/** The figures as lines for the terminal. */
function describe(unit: "photo" | "object", { known, unknowns, objects, classes }: Evaluation): string {
  const percent = (value: number) => (100 * value).toFixed(1);
  const share = ({ share: value, low, high }: Share) =>
    `${percent(value)} % (${percent(low)} to ${percent(high)})`;
  const title = unit === "photo" ? "By photo" : "By object, all its photos together";
  const weakest = [...known.classes].sort((a, b) => a.recall - b.recall)[0]!;
  return [
    `${title} (${objects}):`,
    `  known classes   accuracy ${percent(known.accuracy)} %, balanced ${percent(known.balancedAccuracy)} %, macro F1 ${percent(known.macroF1)}, ECE ${percent(known.ece)} %`,
    ...(classes.length > 1
      ? [`  weakest class   ${weakest.className}, ${percent(weakest.recall)} % of ${weakest.objects}`]
      : []),
    `  false alarms    ${share(known.flagged)} of the known are called unknown`,
    ...(known.rightOfAccepted ? [`  the others      ${share(known.rightOfAccepted)} are named right`] : []),
    ...unknowns.map(
      ({ role, className, flagged, auroc }) =>
        `  ${(className ?? `${role} unknowns`).padEnd(15)} ${share(flagged)} are called unknown, AUROC ${percent(auroc)}`,
    ),
  ].join("\n");
}
