import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromTyped } from "@penumbra/torch";
import { type ImageLine, mapConcurrently, writeManifest } from "../../data/index.ts";
import { smallestStrength } from "../../diffusion/index.ts";
import { readJson, readJsonLines, writeFileAtomic, writeJsonLines } from "../../files/index.ts";
import { decodeImage } from "../../images/index.ts";
import { type Judged, type Role, roleOf, searchStrengths, type Verdict } from "../../sift/index.ts";
import type { ImageRequest, SourceWork } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, type StudyContext } from "./context.ts";
import { imagePath } from "./load-images.ts";
import { type ImagesInputs, type Judging, prepareSource } from "./prepared-source.ts";
import { type BandCheck, type Judges, judgesIdentity } from "./sift-judges.ts";

const siftedFile = "sifted.jsonl";
const summaryFile = "sift.json";

/** A line of an image that was judged; the manifest has those that were accepted, {@link siftedFile} all. */
export interface SiftedLine extends ImageLine {
  readonly sift: Judged & Verdict & { readonly isAccepted: boolean };
}

/** What a sift did. */
export interface SiftSummary {
  readonly source: string;
  readonly seed: number;
  readonly upper: number;
  readonly check: BandCheck;
  /** The strength of each recipe and class, where it was searched. */
  readonly strengths: readonly {
    readonly recipe: string;
    readonly className: string;
    readonly strength: number;
  }[];
  readonly recipes: readonly {
    readonly recipe: string;
    /** Images that were wanted, drawn in all attempts, and accepted. */
    readonly wanted: number;
    readonly drawn: number;
    readonly accepted: number;
    /** Images of the first attempt by their roles. */
    readonly roles: Readonly<Partial<Record<Role, number>>>;
  }[];
}

export interface SiftInputs extends ImagesInputs {
  readonly judging: Judging;
}

/**
 * The images of a source that real photos alone let pass: drawn at strengths that are searched for each class, judged,
 * and drawn again with the next seed where they are turned away, until each is accepted or was drawn often enough.
 */
export async function siftStage(context: StudyContext, name: string, inputs: SiftInputs): Promise<Artifact> {
  const { config, store } = context;
  const { judging, seed } = inputs;
  const { source, settings, work, hashes, judges } = await prepareSource(context, name, inputs);
  const { judge: _, ...sift } = config.sift;
  return store.run({
    name: "sift",
    version: 1,
    label: labelOf(context, seed, name),
    inputs: {
      ...hashes,
      ...judgesIdentity(context, judging.split, judging.encoders),
    },
    config: { source: name, version: source.version, settings, sift, imageSize: config.imageSize },
    seed,
    run: async ({ folder, progress }) => {
      const fitted = await judges();
      const sifting: Sifting = { context, source, work: { ...work, folder }, judges: fitted };
      const searched = await searchAll(sifting);
      const requests = source.requests(sifting.work).map((request) => {
        const strength = searched.get(keyOf(request.recipe, classOf(sifting, request)));
        return strength === undefined ? request : { ...request, strength };
      });
      const lines = await drawAll(sifting, requests, (done) => progress(done, requests.length, "images"));
      const accepted = lines.filter((line) => line.sift.isAccepted);
      await writeJsonLines(join(folder, siftedFile), lines);
      await writeManifest(folder, accepted);
      await removeOthers(folder, lines);
      const summary: SiftSummary = {
        ...{ source: name, seed, upper: fitted.upper, check: fitted.check },
        strengths: [...searched].map(([key, strength]) => {
          const [recipe = "", className = ""] = key.split("\0");
          return { recipe, className, strength };
        }),
        recipes: Object.keys(source.recipes).flatMap((recipe) => yieldOf(recipe, requests, lines)),
      };
      await writeFileAtomic(join(folder, summaryFile), `${JSON.stringify(summary)}\n`);
      return { accepted: accepted.length, wanted: requests.length };
    },
  });
}

export async function readSift({ folder }: Artifact): Promise<{ summary: SiftSummary; lines: SiftedLine[] }> {
  return {
    summary: await readJson<SiftSummary>(join(folder, summaryFile)),
    lines: await readJsonLines<SiftedLine>(join(folder, siftedFile)),
  };
}

interface Sifting {
  readonly context: StudyContext;
  readonly source: Awaited<ReturnType<typeof prepareSource>>["source"];
  readonly work: SourceWork;
  readonly judges: Judges;
}

const keyOf = (recipe: string, className: string) => `${recipe}\0${className}`;

function classOf({ work }: Sifting, { photo }: ImageRequest): string {
  return work.train[photo]!.className;
}

/** For every recipe that has strengths and every class the strength that leaves the wanted share known. */
async function searchAll(sifting: Sifting): Promise<Map<string, number>> {
  const { context, source, work } = sifting;
  const { rounds, probes, share } = context.config.sift;
  const found = new Map<string, number>();
  if (rounds === 0) return found;
  const requests = source.requests(work);
  for (const [recipe, { hasStrength, range }] of Object.entries(source.recipes)) {
    const [lowest, highest] = range ?? [smallestStrength(context.config.redraw.steps), 1];
    const own = requests.filter((request) => request.recipe === recipe && request.variant === 0);
    if (!hasStrength || own.length === 0) continue;
    const some = context.classes.map((className) =>
      spread(
        own.filter((request) => classOf(sifting, request) === className),
        probes,
      ),
    );
    const strengths = await searchStrengths({
      count: some.length,
      lowest,
      highest,
      wanted: source.kind === "faithful" ? share : 1 - share,
      rounds,
      async sharesKnown(tried) {
        const wanted = some.flatMap((requests, place) =>
          requests.map((request) => ({ ...request, strength: tried[place]! })),
        );
        const judged = await drawAndJudge(sifting, wanted);
        return some.map((requests, place) => {
          const inside = judged.filter(
            ({ line, verdict: { role, nearest } }) =>
              line.className === context.classes[place] &&
              (source.kind === "faithful" ? role === "faithful" : nearest <= 1),
          );
          return requests.length === 0 ? 0 : inside.length / requests.length;
        });
      },
    });
    for (const [place, strength] of strengths.entries()) {
      found.set(keyOf(recipe, context.classes[place]!), Math.round(strength * 1000) / 1000);
    }
  }
  return found;
}

/** Draws and judges what is requested, and again what is turned away, in a request's own next attempts. */
async function drawAll(
  sifting: Sifting,
  requests: readonly ImageRequest[],
  onAccepted: (done: number) => void,
): Promise<SiftedLine[]> {
  const { source, context } = sifting;
  const lines: SiftedLine[] = [];
  let pending = [...requests];
  let accepted = 0;
  for (let attempt = 0; attempt < context.config.sift.attempts && pending.length > 0; attempt++) {
    const tried = pending.map((request) => ({ ...request, attempt }));
    const judged = await drawAndJudge(sifting, tried);
    const again: ImageRequest[] = [];
    for (const [place, { line, verdict }] of judged.entries()) {
      const isAccepted = verdict.role === source.kind;
      lines.push({ ...line, sift: { ...verdict, isAccepted } });
      if (isAccepted) accepted++;
      else if (source.recipes[line.recipe]?.hasChance) again.push(tried[place]!);
    }
    onAccepted(accepted);
    pending = again;
  }
  return lines;
}

type JudgedLine = { readonly line: ImageLine; readonly verdict: Judged & Verdict };

async function drawAndJudge(
  { context, source, work, judges }: Sifting,
  requests: readonly ImageRequest[],
): Promise<JudgedLine[]> {
  const lines = await source.draw(work, requests);
  const { imageSize: size, interpolation, fit } = context.config;
  const length = 3 * size * size;
  const bytes = new Uint8Array(lines.length * length);
  await mapConcurrently(lines, async (line, index) => {
    const path = imagePath(context, work.folder, line);
    bytes.set(await decodeImage(path, size, { interpolation, fit }), index * length);
  });
  const pixels = fromTyped(bytes, [lines.length, 3, size, size]);
  const judged = judges.judge(
    lines.map(({ wordClass }, place) => ({ parent: requests[place]!.photo, wordClass })),
    pixels,
  );
  pixels.dispose();
  const band = { upper: judges.upper, probability: context.config.sift.probability };
  return lines.map((line, place) => {
    const image = judged[place]!;
    return { line, verdict: { ...rounded(image), ...roleOf(image, line.className, band) } };
  });
}

function rounded({ own, nearest, nearestClass, probability, wordProbability, answer }: Judged): Judged {
  const digits = (value: number) => Number(value.toPrecision(5));
  return {
    ...{ own: digits(own), nearest: digits(nearest), nearestClass },
    ...{ probability: digits(probability), wordProbability: digits(wordProbability), answer },
  };
}

/** At most `count` items, evenly from all over. */
function spread<T>(items: readonly T[], count: number): T[] {
  const kept = Math.min(count, items.length);
  return Array.from({ length: kept }, (_, place) => items[Math.floor((place * items.length) / kept)]!);
}

function yieldOf(
  recipe: string,
  requests: readonly ImageRequest[],
  lines: readonly SiftedLine[],
): SiftSummary["recipes"] {
  const wanted = requests.filter((request) => request.recipe === recipe).length;
  if (wanted === 0) return [];
  const own = lines.filter((line) => line.recipe === recipe);
  const roles: Partial<Record<Role, number>> = {};
  for (const { sift, attempt } of own) if (attempt === 0) roles[sift.role] = (roles[sift.role] ?? 0) + 1;
  const accepted = own.filter(({ sift }) => sift.isAccepted).length;
  return [{ recipe, wanted, drawn: own.length, accepted, roles }];
}

/** Removes the images that only served the search. */
async function removeOthers(folder: string, lines: readonly ImageLine[]): Promise<void> {
  const kept = new Set(lines.map(({ file }) => file));
  const images = join(folder, "images");
  if (!existsSync(images)) return; // none was drawn
  for (const name of await readdir(images)) {
    if (!kept.has(`images/${name}`)) await rm(join(images, name));
  }
}
