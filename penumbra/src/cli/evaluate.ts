import { resolve } from "node:path";
import { Command } from "commander";
import type { Manifest } from "../data/index.ts";
import type { SeenPhoto } from "../deploy/index.ts";
import type { Evaluation, Language, Share } from "../results/index.ts";
import { detectorOption } from "./detector.ts";
import { languageOption } from "./language.ts";
import { showingStage } from "./progress.ts";
import { version } from "./version.ts";

interface EvaluateFlags {
  readonly anyway?: boolean;
  readonly unseen?: boolean;
  readonly html?: string;
  readonly json?: boolean;
  readonly device: string;
  readonly detector?: string;
  readonly language?: Language;
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
    .option("--unseen", "leave out photos that the classifier was made with, and what looks almost the same")
    .option("--anyway", "also with such photos, which flatters it")
    .option("--html <file>", "write a page: figures, curves, confusion, the worst mistakes as pictures")
    .addOption(languageOption("English, or that of the study.yaml"))
    .option("--json", "print all figures as one JSON object")
    .option("--device <device>", "cpu, cuda or cuda:N", "cpu")
    .addOption(detectorOption())
    .action(async (model: string, place: string, flags: EvaluateFlags) => {
      if (flags.anyway && flags.unseen)
        throw new Error("--anyway and --unseen exclude each other. Give one of them.");
      const { evaluateClassifier, evaluationReport, loadClassifier, readUsedPhotos, seenPhotos } =
        await import("../deploy/index.ts");
      using classifier = loadClassifier(model, flags);
      const { manifest: whole, language } = await scan(place);
      const found = seenPhotos(whole.photos, await readUsedPhotos(model));
      if (found.length > 0 && !flags.anyway && !flags.unseen)
        throw new Error(refusal(model, place, found, whole));
      const manifest = flags.unseen ? without(whole, found) : whole;
      const seen = countSeen(flags.unseen ? [] : found);
      const evaluated = await showingStage("evaluate", (onProgress) =>
        evaluateClassifier(classifier, manifest, { onProgress }),
      );
      if (flags.html !== undefined) {
        const { renderEvaluation, withLanguage } = await import("../report/index.ts");
        const { writeFileAtomic } = await import("../files/index.ts");
        const about = { place, seen, createdAt: new Date().toISOString(), penumbra: version };
        const report = await evaluationReport(classifier, manifest, evaluated, about);
        await writeFileAtomic(
          flags.html,
          withLanguage(flags.language ?? language, () => renderEvaluation(report)),
        );
        process.stderr.write(`Page: ${flags.html}\n`);
      }
      const { photo, object, unreadable } = evaluated;
      if (flags.json) {
        const units = { photo, ...(object && { object }) };
        process.stdout.write(`${JSON.stringify({ model, photos: place, seen, ...units, unreadable })}\n`);
        return;
      }
      const lines = [
        ...(seen.same + seen.similar > 0
          ? [
              `${seen.same} of ${manifest.photos.length} photos are ones that it was made with, ${seen.similar} look almost the same as one: the figures flatter it.`,
            ]
          : []),
        ...(flags.unseen && found.length > 0
          ? [`${found.length} of ${whole.photos.length} photos are left out: it was made with these.`]
          : []),
        describe("By photo", photo),
        ...(object ? [describe("By object, all its photos together", object)] : []),
        ...unreadable.map((line) => `Cannot be read: ${line}`),
      ];
      process.stdout.write(`${lines.join("\n")}\n`);
    });
}

/** The photos of a folder, of a list or of a study, and the language of its pages. */
async function scan(place: string): Promise<{ manifest: Manifest; language: Language }> {
  const { scanPhotos } = await import("../data/index.ts");
  if (!/\.ya?ml$/.test(place)) return { manifest: await scanPhotos(place), language: "en" };
  const { loadConfig, scanOptionsOf } = await import("../study/index.ts");
  const { config, folder } = await loadConfig(place);
  const manifest = await scanPhotos(resolve(folder, config.photos), scanOptionsOf(config));
  return { manifest, language: config.language };
}

function countSeen(seen: readonly SeenPhoto[]) {
  const same = seen.filter(({ isSame }) => isSame).length;
  return { same, similar: seen.length - same };
}

function without(manifest: Manifest, seen: readonly SeenPhoto[]): Manifest {
  const ids = new Set(seen.map(({ photo }) => photo.id));
  const photos = manifest.photos.filter(({ id }) => !ids.has(id));
  const left = new Set(photos.filter(({ role }) => role === "known").map(({ className }) => className));
  return { ...manifest, photos, classes: manifest.classes.filter((name) => left.has(name)) };
}

function refusal(model: string, place: string, seen: readonly SeenPhoto[], { photos }: Manifest): string {
  const { same, similar } = countSeen(seen);
  const first = (wanted: boolean) => seen.find(({ isSame }) => isSame === wanted)!;
  const parts = [
    ...(same > 0
      ? [`was made with ${same} of the ${photos.length} photos in ${place}, such as ${first(true).photo.id}`]
      : []),
    ...(similar > 0
      ? [
          `${same > 0 ? "and " : ""}${similar} ${same > 0 ? "more " : `of the ${photos.length} photos in ${place} `}look almost the same as one that it was made with, such as ${first(false).photo.id} (${first(false).used})`,
        ]
      : []),
  ];
  const subject = same > 0 ? `${model} ` : `For ${model}, `;
  return `${subject}${parts.join(", ")}: figures on them would flatter it. Give photos that it has not seen, --unseen to leave these out, or --anyway.`;
}

/** The figures as lines for the terminal. */
function describe(title: string, { known, unknowns, objects, classes }: Evaluation): string {
  const percent = (value: number) => (100 * value).toFixed(1);
  const share = ({ share: value, low, high }: Share) =>
    `${percent(value)} % (${percent(low)} to ${percent(high)})`;
  const weakest = [...known.classes].sort((a, b) => a.recall - b.recall)[0]!;
  const told: [name: string, what: string][] = [
    [
      "known classes",
      `accuracy ${percent(known.accuracy)} %, balanced ${percent(known.balancedAccuracy)} %, macro F1 ${percent(known.macroF1)}, ECE ${percent(known.ece)} %`,
    ],
  ];
  if (classes.length > 1)
    told.push(["weakest class", `${weakest.className}, ${percent(weakest.recall)} % of ${weakest.objects}`]);
  told.push(["false alarms", `${share(known.flagged)} of the known are called unknown`]);
  if (known.rightOfAccepted) told.push(["the others", `${share(known.rightOfAccepted)} are named right`]);
  for (const { role, className, flagged, auroc } of unknowns)
    told.push([
      className ?? `${role} unknowns`,
      `${share(flagged)} are called unknown, AUROC ${percent(auroc)}`,
    ]);
  const width = Math.max(...told.map(([name]) => name.length));
  return [`${title} (${objects}):`, ...told.map(([name, what]) => `  ${name.padEnd(width)}  ${what}`)].join(
    "\n",
  );
}
