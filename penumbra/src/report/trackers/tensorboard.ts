import { appendFileSync, mkdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { Message, writeFileAtomic } from "../../files/index.ts";
import type { Outcome } from "../../results/index.ts";
import { fixed } from "../numbers.ts";
import { titleOf } from "../titles.ts";
import { readOutcome } from "../write.ts";
import { record } from "./records.ts";
import { partsOf, trackedRuns } from "./tracked.ts";

/** The bytes of a PNG of an image, by its path in the run folder. */
export type PngSource = (path: string) => Promise<Uint8Array>;

/**
 * Writes a finished study as event files for TensorBoard (`tensorboard --logdir FOLDER`): a run for every arm and seed
 * with its curves and final figures, and one with photos and their redraws; returns the paths. Written again, they
 * take the place of what was there of this study.
 *
 * @param folder for `--logdir`; the study gets a folder in it, named as `run` is
 * @param pngOf reads an image of the run; TensorBoard shows PNG
 * @throws ReportError when `run` holds no finished study
 */
export async function writeTensorBoard(run: string, folder: string, pngOf: PngSource): Promise<string[]> {
  const outcome = await readOutcome(run);
  const seconds = Date.parse(outcome.createdAt) / 1000;
  const runs = trackedRuns(outcome).map(({ arm, figures, ...own }) => ({
    name: join(arm, ...partsOf(own)),
    events: figures.flatMap(({ name, points }) =>
      points.map(({ step, value }) => scalarEvent(seconds, step, name, value)),
    ),
  }));
  const images = { name: "images", events: await imageEvents(outcome, seconds, pngOf) };
  const paths: string[] = [];
  for (const { name, events } of [...runs, ...(images.events.length > 0 ? [images] : [])]) {
    const place = join(folder, basename(resolve(run)), name);
    const path = join(place, `${PREFIX}${Math.floor(seconds)}${ENDING}`);
    await removeEvents(place);
    await writeFileAtomic(path, Buffer.concat([versionEvent(seconds), ...events].map(framed)));
    paths.push(path);
  }
  return paths;
}

/**
 * Losses of a study that is running, for TensorBoard to draw while it does: an event file for every training, where
 * {@link writeTensorBoard} puts its own in the end, in place of it.
 */
export class LiveTensorBoard {
  readonly #folder: string;
  readonly #now: () => number;
  readonly #open = new Map<string, { readonly path: string; writtenAt: number }>();

  /**
   * @param run the run folder of the study
   * @param folder for `--logdir`
   * @param now milliseconds
   */
  constructor(run: string, folder: string, now: () => number = Date.now) {
    this.#folder = join(folder, basename(resolve(run)));
    this.#now = now;
  }

  /**
   * Takes a step of a training. It writes at once, at most twice a second for each training: a training may hold the
   * event loop for as long as it runs.
   *
   * @param label of the training's stage: "supcon, seed 1" or "supcon, seed 1, 4 shots"
   */
  step(label: string, step: number, loss: number): void {
    const now = this.#now();
    const place = join(this.#folder, ...placeOf(label));
    const open = this.#open.get(place) ?? this.#start(place, now);
    if (now - open.writtenAt < LIVE_MS) return;
    open.writtenAt = now;
    appendFileSync(open.path, framed(scalarEvent(now / 1000, step, "train/loss", loss)));
  }

  #start(place: string, now: number) {
    mkdirSync(place, { recursive: true });
    const path = join(place, `${PREFIX}${Math.floor(now / 1000)}${ENDING}`);
    appendFileSync(path, framed(versionEvent(now / 1000)));
    const open = { path, writtenAt: Number.NEGATIVE_INFINITY };
    this.#open.set(place, open);
    return open;
  }
}

const LIVE_MS = 500;

/** Where the final events of a training will lie. */
function placeOf(label: string): string[] {
  const [, arm = label, seed, shots] = /^(.*), seed (\d+)(?:, (\d+) shots?)?$/.exec(label) ?? [];
  if (seed === undefined) return [arm];
  return [arm, ...partsOf({ seed: Number(seed), shots: shots === undefined ? null : Number(shots) })];
}

/** TensorBoard reads files with this in their names. */
const PREFIX = "events.out.tfevents.";
const ENDING = ".penumbra";

/** Takes away what was written of an earlier state of the study: TensorBoard would show both as one run. */
async function removeEvents(folder: string): Promise<void> {
  const names = await readdir(folder).catch((): string[] => []);
  const own = names.filter((name) => name.startsWith(PREFIX) && name.endsWith(ENDING));
  await Promise.all(own.map((name) => rm(join(folder, name))));
}

// Numbers of fields: tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.

function framed(event: Message): Uint8Array {
  return record(event.toBytes());
}

function versionEvent(seconds: number): Message {
  return new Message().double(1, seconds).text(3, "brain.Event:2");
}

function summaryEvent(seconds: number, step: number, value: Message): Message {
  return new Message().double(1, seconds).int(2, step).message(5, new Message().message(1, value));
}

function scalarEvent(seconds: number, step: number, tag: string, value: number): Message {
  return summaryEvent(seconds, step, new Message().text(1, tag).float(2, value));
}

function imageEvent(seconds: number, tag: string, png: Uint8Array): Message {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)]; // of the IHDR chunk
  const image = new Message().int(1, height).int(2, width).int(3, 3).bytes(4, png);
  return summaryEvent(seconds, 0, new Message().text(1, tag).message(4, image));
}

/** Photos and their redraws, a group of images for each row of the report's sheet; and what training sees. */
async function imageEvents(outcome: Outcome, seconds: number, pngOf: PngSource): Promise<Message[]> {
  const { sheet, augmentation, recipes } = outcome;
  const images = [
    ...(augmentation ? [{ tag: "augmentation", path: augmentation.image }] : []),
    ...sheet.flatMap(({ className, photo, redraws }) => [
      { tag: `${className}/photo`, path: photo },
      ...redraws.map(({ recipe, strength, image }, index) => {
        const level = strength === null ? "" : ` ${fixed(strength, 2)}`;
        return { tag: `${className}/${index + 1} ${titleOf(recipes, recipe)}${level}`, path: image };
      }),
    ]),
  ];
  const events: Message[] = [];
  for (const { tag, path } of images) events.push(imageEvent(seconds, tag, await pngOf(path)));
  return events;
}
