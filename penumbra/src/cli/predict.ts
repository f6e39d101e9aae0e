import { once } from "node:events";
import { join } from "node:path";
import { Command } from "commander";
import type { Classifier, WatchAnswer } from "../deploy/index.ts";
import type { Language } from "../results/index.ts";
import { detectorOption } from "./detector.ts";
import { Explanations } from "./explanations.ts";
import { objectsOf } from "./file-objects.ts";
import { languageOption } from "./language.ts";
import { SortedCopies } from "./sorted-copies.ts";
import { printerOf } from "./verdict-lines.ts";
import { watchUntilStopped } from "./watch.ts";
import { wholeNumber } from "./whole-number.ts";

interface PredictFlags {
  readonly views?: boolean;
  readonly json?: boolean;
  readonly csv?: boolean;
  readonly copyTo?: string;
  readonly explain?: string;
  readonly language?: Language;
  readonly watch?: boolean;
  readonly log?: string;
  readonly keepUnknown?: string;
  readonly device: string;
  readonly detector?: string;
  readonly batch: number;
  readonly failOnUnknown?: boolean;
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
    .option("--explain <folder>", "write what each verdict rests on: maps and similar photos, with a page")
    .addOption(languageOption())
    .option("--watch", "go on with what arrives in a folder, each object once; verdicts go to --log")
    .option("--log <file>", "lines of JSON that --watch appends to, and goes by after a restart")
    .option("--keep-unknown <folder>", "with --watch: keep the photos of unknown objects, for penumbra label")
    .option("--device <device>", "cpu, cuda or cuda:N", "cpu")
    .addOption(detectorOption())
    .option("--batch <photos>", "photos that go through the network together", wholeNumber(1), 64)
    .option("--fail-on-unknown", `exit with ${EXIT.unknown} when an object is unknown`)
    .addHelpText(
      "after",
      `\nExit codes: 0 all photos were read, ${EXIT.unreadable} some could not be, ${EXIT.unknown} as --fail-on-unknown says, 1 nothing could be done.`,
    )
    .action(async (model: string, photos: string[], flags: PredictFlags) => {
      if (flags.json && flags.csv) throw new Error("--json and --csv exclude each other. Give one of them.");
      const { loadClassifier } = await import("../deploy/index.ts");
      using classifier = loadClassifier(model, flags);
      if (flags.watch) await watch(classifier, photos, flags);
      else await predictAll(classifier, model, photos, flags);
    });
}

async function predictAll(
  classifier: Classifier,
  model: string,
  photos: readonly string[],
  flags: PredictFlags,
): Promise<void> {
  for (const name of ["log", "keepUnknown"] as const) {
    if (flags[name] !== undefined)
      throw new Error(
        `--${name === "log" ? "log" : "keep-unknown"} is for --watch: give both, or leave it out.`,
      );
  }
  const { loadGallery, predictEach } = await import("../deploy/index.ts");
  const print = printerOf(flags);
  const counts = { objects: 0, unknown: 0, unreadable: 0 };
  const sorted = flags.copyTo === undefined ? undefined : new SortedCopies(flags.copyTo);
  using gallery = flags.explain === undefined ? undefined : loadGallery(model);
  const explained = gallery && new Explanations(flags.explain!, classifier, gallery, flags.language);
  for await (const judged of predictEach(classifier, objectsOf(photos, flags.views), {
    batchSize: flags.batch,
  })) {
    counts.objects++;
    if (judged.verdict?.isUnknown) counts.unknown++;
    counts.unreadable += judged.unreadable.length;
    await sorted?.add(judged);
    await explained?.add(judged);
    if (!process.stdout.write(print(judged)) && !process.stdout.destroyed)
      await once(process.stdout, "drain");
  }
  if (counts.objects === 0) throw new Error("There is no photo there. Give files or folders with photos.");
  if (explained) process.stderr.write(`Page: ${await explained.finish()}\n`);
  if (counts.unreadable > 0) process.exitCode = EXIT.unreadable;
  else if (flags.failOnUnknown && counts.unknown > 0) process.exitCode = EXIT.unknown;
}

async function watch(
  classifier: Classifier,
  [folder, ...others]: readonly string[],
  { views = false, batch, csv, copyTo, explain, failOnUnknown, log, keepUnknown: kept }: PredictFlags,
): Promise<void> {
  const refused = Object.entries({ csv, "copy-to": copyTo, explain, "fail-on-unknown": failOnUnknown })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `--${name}`);
  if (refused.length > 0) throw new Error(`--watch does not go with ${refused.join(", ")}. Leave it out.`);
  if (folder === undefined || others.length > 0) throw new Error("--watch takes one folder.");
  const { keepUnknown, predictEach } = await import("../deploy/index.ts");
  await watchUntilStopped(folder, {
    ...{ log: log ?? join(folder, "verdicts.jsonl"), views },
    async judge(objects) {
      const answers: WatchAnswer[] = [];
      for await (const judged of predictEach(classifier, objects, { batchSize: batch })) {
        if (judged.verdict?.isUnknown && kept !== undefined) await keepUnknown(kept, judged.object.photos);
        answers.push(judged);
      }
      return answers;
    },
  });
}
