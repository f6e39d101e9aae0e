import { once } from "node:events";
import { copyFile, mkdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { createInterface } from "node:readline";
import { Command } from "commander";
import type { Judged, PhotoObject } from "../deploy/index.ts";
import { wholeNumber } from "./whole-number.ts";

interface PredictFlags {
  readonly views?: boolean;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly copyTo?: string;
  readonly device: string;
  readonly batch: number;
  readonly failOnUnknown?: boolean;
}

/** An object whose photos are files. */
interface FileObject extends PhotoObject {
  readonly photos: readonly string[];
}

/** What the exit code says, beside 0 (all is well) and 1 (nothing could be done). */
const EXIT = { unreadable: 2, unknown: 3 } as const;

/** `penumbra predict MODEL PHOTO…`: the class of each object, how surely, and whether it is unknown. */
export function predictCommand(): Command {
  return new Command("predict")
    .description("say of photos which known class they show, how surely, and whether it is an unknown one")
    .argument("<model>", "classifier, as made by penumbra train: models/NAME")
    .argument(
      "<photos...>",
      "photos, folders of photos (with those below), or - for paths from standard input",
    )
    .option("--views", "the photos of one folder are views of one object (default: each photo is an object)")
    .option("--json", "one JSON object a line")
    .option("--csv", "a table of comma-separated values")
    .option("--copy-to <folder>", "copy the photos into a folder for each class, and one called unknown")
    .option("--device <device>", "cpu, cuda or cuda:N", "cpu")
    .option("--batch <photos>", "photos that go through the network together", wholeNumber(1), 64)
    .option("--fail-on-unknown", `exit with ${EXIT.unknown} when an object is unknown`)
    .addHelpText(
      "after",
      `\nExit codes: 0 all photos were read, ${EXIT.unreadable} some could not be, ${EXIT.unknown} as --fail-on-unknown says, 1 nothing could be done.`,
    )
    .action(async (model: string, photos: string[], flags: PredictFlags) => {
      if (flags.json && flags.csv) throw new Error("--json and --csv exclude each other. Give one of them.");
      const { loadClassifier, predictEach } = await import("../deploy/index.ts");
      using classifier = loadClassifier(model, { device: flags.device });
      const print = printerOf(flags);
      const counts = { objects: 0, unknown: 0, unreadable: 0 };
      const sorted = flags.copyTo === undefined ? undefined : new SortedCopies(flags.copyTo);
      for await (const judged of predictEach(classifier, objectsOf(photos, flags), {
        batchSize: flags.batch,
      })) {
        counts.objects++;
        if (judged.verdict?.isUnknown) counts.unknown++;
        counts.unreadable += judged.unreadable.length;
        await sorted?.add(judged);
        if (!process.stdout.write(print(judged)) && !process.stdout.destroyed)
          await once(process.stdout, "drain");
      }
      if (counts.objects === 0)
        throw new Error("There is no photo there. Give files or folders with photos.");
      if (counts.unreadable > 0) process.exitCode = EXIT.unreadable;
      else if (flags.failOnUnknown && counts.unknown > 0) process.exitCode = EXIT.unknown;
    });
}

/** The objects that arguments name: files as they are, folders with what lies in them. */
async function* objectsOf(places: readonly string[], { views }: PredictFlags): AsyncGenerator<FileObject> {
  const { groupBy, listPhotoFiles } = await import("../data/index.ts");
  for (const place of places) {
    if (place === "-") {
      for await (const line of createInterface({ input: process.stdin }))
        if (line.trim() !== "") yield* objectsOf([line.trim()], { views, device: "", batch: 0 });
      continue;
    }
    const found = await stat(place).catch(() => undefined);
    // A file that is missing is a line with its reason, as one that is damaged.
    const files = found?.isDirectory() ? await listPhotoFiles(place) : [place];
    if (views) for (const [name, photos] of groupBy(files, dirname)) yield { name, photos };
    else for (const file of files) yield { name: file, photos: [file] };
  }
}

type Printer = (judged: Judged<FileObject>) => string;

function printerOf({ json, csv }: PredictFlags): Printer {
  if (json) return (judged) => `${JSON.stringify(asRecord(judged))}\n`;
  if (!csv) return asLine;
  let isFirst = true;
  return (judged) => {
    const head = isFirst ? `${CSV_COLUMNS.join(",")}\r\n` : "";
    isFirst = false;
    const record: Readonly<Record<string, unknown>> = asRecord(judged);
    return `${head}${CSV_COLUMNS.map((column) => csvCell(record[column])).join(",")}\r\n`;
  };
}

const CSV_COLUMNS = [
  ...["object", "verdict", "class", "confidence", "unknownScore", "pValue", "views", "error"],
] as const;

function asRecord({ object, verdict, unreadable }: Judged<FileObject>) {
  const errors = unreadable.map(({ photo, reason }) => `${object.photos[photo]}: ${reason}`);
  const { name: objectName } = object;
  return {
    object: objectName,
    ...(verdict && {
      verdict: verdict.isUnknown ? "unknown" : verdict.className,
      class: verdict.className,
      confidence: verdict.confidence,
      unknownScore: verdict.unknownScore,
      pValue: verdict.pValue,
      score: verdict.score,
      views: verdict.views,
      classes: verdict.classes,
    }),
    ...(errors.length > 0 && { error: errors.join("; ") }),
  };
}

/** RFC 4180. */
function csvCell(value: unknown): string {
  const text = value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function asLine({ object, verdict, unreadable }: Judged<FileObject>): string {
  const errors = unreadable.map(
    ({ photo, reason }) => `${object.photos[photo]}: cannot be read: ${reason}\n`,
  );
  if (!verdict) return errors.join("");
  const { isUnknown, className, confidence, pValue, views, classes } = verdict;
  const share = (value: number) => `${(100 * value).toFixed(1)} %`;
  const seen = views === 1 ? "" : `  ${views} views`;
  const others = classes.slice(1, 3).map((other) => `${other.className} ${share(other.probability)}`);
  const what = isUnknown
    ? `unknown  p ${pValue.toFixed(3)}  resembles ${className} ${share(confidence)}`
    : `${className}  ${share(confidence)}  p ${pValue.toFixed(3)}  then ${others.join(", ")}`;
  return `${errors.join("")}${object.name}: ${what}${seen}\n`;
}

/** Copies of photos in a folder for each verdict; never over another file. */
class SortedCopies {
  readonly #root: string;
  constructor(root: string) {
    this.#root = root;
  }

  async add({ object, verdict, unreadable }: Judged<FileObject>): Promise<void> {
    if (!verdict) return;
    const { verdictName } = await import("../deploy/index.ts");
    const folder = join(this.#root, verdictName(verdict));
    await mkdir(folder, { recursive: true });
    const left = new Set(unreadable.map(({ photo }) => photo));
    for (const [index, photo] of object.photos.entries())
      if (!left.has(index)) await copyBeside(photo, folder);
  }
}

/** Copies a file into a folder under its own name, or with a number behind it where that is taken. */
async function copyBeside(file: string, folder: string): Promise<void> {
  const { constants } = await import("node:fs");
  const ending = extname(file);
  const stem = basename(file, ending);
  for (let number = 1; ; number++) {
    const name = number === 1 ? `${stem}${ending}` : `${stem}-${number}${ending}`;
    try {
      await copyFile(file, join(folder, name), constants.COPYFILE_EXCL);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}
