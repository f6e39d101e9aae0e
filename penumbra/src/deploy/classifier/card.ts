import { join } from "node:path";
import { writeFileAtomic } from "../../files/index.ts";
import type { Preprocessing } from "./classifier.ts";
import type { Provenance, UsedPhoto } from "./classifier-files.ts";

/** How well a class was named on the calibration photos. */
export interface ClassFigures {
  readonly className: string;
  readonly photos: number;
  readonly right: number;
}

/** What a model card tells. */
export interface CardFacts {
  readonly name: string;
  readonly classes: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly level: number;
  /** The level that was asked for. */
  readonly wantedLevel: number;
  readonly detector: { readonly title: string; readonly reason: string; readonly auroc: number };
  /** The others that can be asked for, by the names that they are asked for by. */
  readonly others: readonly { readonly name: string; readonly title: string; readonly auroc: number }[];
  readonly figures: readonly ClassFigures[];
  readonly provenance: Provenance;
  readonly photos: readonly UsedPhoto[];
  /** What has a licence of its own. */
  readonly licensed: Licensed;
}

/** What a classifier was made of that others may have rights to. */
export interface Licensed {
  /** Files by the photos that say what may be done with them, relative to where the photos lie. */
  readonly files: readonly string[];
  /** The published weights that the encoder started from; undefined for random ones. */
  readonly weights?: string;
  /** The model that drew images which it learned from; undefined where none did. */
  readonly model?: string;
}

/** Writes the classifier's model card, `README.md`: what it was made of, how good it is, what it cannot do. */
export async function writeCard(folder: string, facts: CardFacts): Promise<void> {
  await writeFileAtomic(join(folder, "README.md"), cardOf(facts));
}

/** The card as Markdown. */
export function cardOf(facts: CardFacts): string {
  const { name, classes, provenance } = facts;
  const { arm, reason, seed, penumbra, libtorch, artifacts } = provenance;
  return [
    `# ${name}`,
    "",
    `A classifier of ${classes.length} classes that says *unknown* of what is none of them. Made by Penumbra ${penumbra}.`,
    "",
    "```",
    `penumbra predict models/${name} photo.jpg`,
    "```",
    "",
    "## Photos",
    "",
    ...photosTable(facts),
    "",
    "## Figures",
    "",
    ...figuresOf(facts),
    "",
    "## When it says unknown",
    "",
    ...levelOf(facts),
    "",
    "## Limits",
    "",
    ...limitsOf(facts),
    "",
    "## How it was made",
    "",
    `- Arm: ${arm}. ${reason}`,
    `- Seed ${seed}, libtorch ${libtorch}`,
    ...Object.entries(artifacts).map(([stage, hash]) => `- ${stage}: ${hash}`),
    "",
  ].join("\n");
}

function photosTable({ classes, photos: all, licensed }: CardFacts): string[] {
  const count = (className: string, use: string) => {
    const photos = all.filter((photo) => photo.className === className && photo.use === use);
    return `${new Set(photos.map(({ object }) => object)).size} / ${photos.length}`;
  };
  const near = all.filter(({ use }) => use === "near");
  return [
    "| class | learned from, objects / photos | calibrated on |",
    "|---|---|---|",
    ...classes.map((name) => `| ${name} | ${count(name, "train")} | ${count(name, "calibration")} |`),
    "",
    near.length === 0
      ? "There were no near unknowns."
      : `${near.length} photos of ${new Set(near.map(({ className }) => className)).size} near unknown classes chose the detector; nothing learned from them.`,
    "",
    ...licencesOf(licensed),
  ];
}

function licencesOf({ files, weights, model }: Licensed): string[] {
  return [
    files.length === 0
      ? "Licences: no file by the photos says what may be done with them."
      : `Licences: for the photos see ${files.map((file) => `\`${file}\``).join(" and ")}, found in or beside their folder.`,
    weights === undefined
      ? "The encoder started from random weights."
      : `The encoder started from the weights \`${weights}\`, whose licence holds for it too.`,
    ...(model === undefined
      ? []
      : [
          `Among what it learned from are images drawn by \`${model}\`, whose licence says what they may be used for.`,
        ]),
  ];
}

function figuresOf({ figures, detector, others }: CardFacts): string[] {
  const photos = figures.reduce((sum, figure) => sum + figure.photos, 0);
  const right = figures.reduce((sum, figure) => sum + figure.right, 0);
  const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
  return [
    `On the calibration photos, which it has not learned from, ${percent(right, photos)} of ${photos} are named right:`,
    "",
    "| class | photos | right |",
    "|---|---|---|",
    ...figures.map(
      (figure) => `| ${figure.className} | ${figure.photos} | ${percent(figure.right, figure.photos)} |`,
    ),
    "",
    `Detector of unknowns: ${detector.title}. ${detector.reason}`,
    ...(others.length === 0
      ? []
      : [
          `Others are kept with it, for \`--detector NAME\`: ${others.map(({ name, title, auroc }) => `${title} (\`${name}\`, AUROC ${(100 * auroc).toFixed(1)})`).join(", ")}.`,
        ]),
    "The detector and the penalty of the linear classifier were chosen on these photos, so these figures flatter it a little. For figures that nothing was chosen by, run `penumbra evaluate` on photos that it has not seen.",
  ];
}

function levelOf({ level, wantedLevel, photos }: CardFacts): string[] {
  const objects = new Set(photos.filter(({ use }) => use === "calibration").map(({ object }) => object)).size;
  const share = (100 * level).toFixed(1);
  return [
    `An object is called unknown when its p-value is at most ${level.toFixed(4)}: of known objects about ${share} % are called unknown by mistake. The p-value is the share of ${objects} calibration objects that look no less unknown.`,
    ...(level > wantedLevel
      ? [
          "",
          `${(100 * wantedLevel).toFixed(1)} % were asked for; ${objects} calibration objects allow no less than 1 in ${objects + 1}. More objects allow less.`,
        ]
      : []),
  ];
}

function limitsOf({ preprocessing, figures }: CardFacts): string[] {
  const weak = figures.filter(({ photos, right }) => right / photos < 0.7).map(({ className }) => className);
  return [
    `- It sees ${preprocessing.imageSize} x ${preprocessing.imageSize} pixels (${preprocessing.fit}): smaller details do not exist for it.`,
    "- It knows the cameras, lights and backgrounds of the photos that it was made with. Other ones can make known parts unknown, and unknown ones known.",
    ...(weak.length > 0 ? [`- Often mistaken for another class: ${weak.join(", ")}.`] : []),
  ];
}
