// What a mini (a small Stable Diffusion of `penumbra pretrain`) is worth, in the figures of its card:
//
//   node --import tsx --conditions=source bench/mini-quality/run.ts MODEL PARTS CORPUS WEIGHTS
//     [--out FOLDER] [--on validation | test] [--parts round-trip,captions,redraws,guidance,samplers,picture]
//
// PARTS holds photos of parts below `id`, CORPUS what MODEL learned from (held-out files by the same rule), WEIGHTS an
// encoder's published weights. Each part is kept in FOLDER and not measured again; judges are shared by all models.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import * as torch from "@penumbra/torch";
import { cat, deriveSeed, scope, type Tensor } from "@penumbra/torch";
import {
  fillTemplate,
  imageToImage,
  learnWords,
  loadWords,
  PLAIN_TEMPLATE,
  roundTrip,
  type SamplerChoice,
  StableDiffusion,
  saveWords,
  textToImage,
  type Words,
  wordOf,
} from "../../penumbra/src/diffusion/index.ts";
import { writeFileAtomic } from "../../penumbra/src/files/index.ts";
import { contactSheet, encodeWebp, toUint8 } from "../../penumbra/src/images/index.ts";
import { fid, kid, precisionRecall } from "../../penumbra/src/quality/index.ts";
import {
  type Features,
  featuresOf,
  type Judge,
  judgeOf,
  type Labelled,
  shareNamed,
  traces,
} from "./judges.ts";
import { FAMILY_JUDGE, type Parts, partsIn, type Renders, rendersIn, some, taken } from "./material.ts";

const PARTS = ["round-trip", "captions", "redraws", "guidance", "samplers", "picture"] as const;
type Part = (typeof PARTS)[number];
type Figures = Readonly<Record<string, number | string>>;

/** As images are drawn where nothing else is asked: guidance as in the demo, the model's own sampler. */
const DRAWING = { steps: 20, guidanceScale: 3, precision: "auto" } as const;
/** Images that go through the denoiser together. */
const BATCH = 64;
/** Photos that are redrawn, at even distances. */
const REDRAWN = 384;
/** Photos that are redrawn by each sampler. */
const RESAMPLED = 256;
const FAITHFUL = 0.35;
const DRIFT = 0.8;
/** How strongly redraws are led by their words; 1: not at all beyond what the words say. */
const GUIDANCES = [1, 1.5, 2, 5] as const; // and 3 above
/** DA-Fusion's own: strength, guidance. */
const SAMPLED = { strength: 0.5, guidanceScale: 7.5 } as const;
const SAMPLERS: readonly { readonly sampler: SamplerChoice; readonly steps: number }[] = [
  { sampler: { name: "pndm" }, steps: 50 },
  { sampler: { name: "ddim" }, steps: 50 },
  { sampler: { name: "dpm-solver++" }, steps: 20 },
];
const SHOWN_STRENGTHS = [0.2, 0.35, 0.6, 0.8] as const;
const SHOWN = 8;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string", default: "mini-quality" },
    on: { type: "string", default: "test" },
    parts: { type: "string", default: PARTS.join() },
    seed: { type: "string", default: "0" },
    threads: { type: "string", default: "1" },
  },
});
const [model, partsFolder, corpus, weights] = positionals;
const { on } = values;
const asked = values.parts.split(",");
const unknown = asked.find((part) => !(PARTS as readonly string[]).includes(part));
if (!model || !partsFolder || !corpus || !weights || (on !== "validation" && on !== "test") || unknown) {
  process.stderr.write(
    `Give MODEL PARTS CORPUS WEIGHTS, --on validation or test, and --parts of ${PARTS.join(", ")}.\n`,
  );
  process.exit(2);
}
const seed = Number(values.seed);
torch.setNumThreads(Number(values.threads));

const sd = StableDiffusion.load(model);
const shared = join(values.out, "judges");
const own = join(values.out, `${basename(model)}-${sd.hash.slice(0, 12)}-${on}-${seed}`);
mkdirSync(own, { recursive: true });

/** What is worked out once and used by several parts. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

const parts = once<Parts>(() => partsIn(partsFolder, on, { size: sd.imageSize, seed }));
const renders = once<Renders>(() => rendersIn(corpus, { size: sd.imageSize, seed: 0 }));
const features = once<Features>(() => featuresOf(weights));
const partJudge = once<Judge>(async () =>
  judgeOf(join(shared, `parts-${seed}`), (await parts()).train, { steps: 500, seed }),
);
const familyJudge = once<Judge>(async () =>
  judgeOf(join(shared, "families"), (await renders()).train, FAMILY_JUDGE),
);
const words = once<Words>(async () => {
  const path = join(own, "words.safetensors");
  if (existsSync(path)) return loadWords(path);
  const { classes, train } = await parts();
  const learned = await learnWords(sd, {
    classes: classes.map((name, label) => ({
      name,
      images: taken(
        train.images,
        [...train.labels.keys()].filter((place) => train.labels[place] === label),
      ),
    })),
    ...{ steps: 200, batchSize: 2, precision: "auto", seed },
    ...{ checkpointFolder: own, checkpointSeconds: 60 },
  });
  saveWords(learned, path);
  return learned;
});

/** uint8 [N, 3, S, S]: what `draw` makes of places, in batches. */
function inBatches(count: number, draw: (places: readonly number[]) => Tensor): Tensor {
  return scope(() => {
    const all = [...Array(count).keys()];
    const batches = Array.from({ length: Math.ceil(count / BATCH) }, (_, batch) =>
      scope(() => toUint8(draw(all.slice(batch * BATCH, (batch + 1) * BATCH)))),
    );
    return cat(batches);
  });
}

/** Photos through the autoencoder and back, uint8 as they are. */
function tripped(images: Tensor): Tensor {
  return inBatches(images.shape[0] as number, (places) =>
    roundTrip(sd, taken(images, places).to("float32").div(255)),
  );
}

/** Of the photos that judge and words learn from: what others are held against. */
const learnedFeatures = once(async () => {
  const { images } = (await parts()).train;
  const of = await features();
  return { photos: of(images), roundTrips: of(tripped(images)) };
});

/** Photos under the words of their classes. */
async function redrawn(
  { images, labels }: Labelled,
  strength: number,
  options: { steps?: number; guidanceScale?: number; sampler?: SamplerChoice } = {},
): Promise<Tensor> {
  const { classes } = await parts();
  const all = await words();
  const prompt = (place: number) => fillTemplate(PLAIN_TEMPLATE, wordOf(all, classes[labels[place]!]!).token);
  return inBatches(labels.length, (places) =>
    imageToImage(sd, taken(images, places).to("float32").div(255), {
      ...{ ...DRAWING, ...options, words: all.words },
      prompts: places.map(prompt),
      strengths: places.map(() => strength),
      seeds: places.map((place) => deriveSeed(seed, "redraw", place)),
    }),
  );
}

const photosToRedraw = once(async () => some((await parts()).asked, REDRAWN));

/** Tells of redraws how often they are recognised, and how far they are from photos and from round trips. */
const looker = once(async () => {
  const { labels } = await photosToRedraw();
  const name = await partJudge();
  const of = await features();
  const { photos: learned, roundTrips } = await learnedFeatures();
  return (title: string, images: Tensor): Record<string, number> => {
    const made = of(images);
    const figures = {
      recognised: shareNamed(name(images), (label, place) => label === labels[place]),
      ...distances(learned, made),
      "precision among round trips": precisionRecall(roundTrips, made).precision,
    };
    return Object.fromEntries(
      Object.entries(figures).map(([figure, value]) => [`${title}: ${figure}`, value]),
    );
  };
});

/** How far images are from others, by the features of both. @param real, made float [N, D] */
function distances(real: Tensor, made: Tensor) {
  const { precision, recall } = precisionRecall(real, made);
  return { kid: kid(real, made).kid, fid: fid(real, made), precision, recall };
}

const MEASURES: Readonly<Record<Part, () => Promise<Figures>>> = {
  /** Are photos still what they were after the autoencoder, and can one tell? */
  "round-trip": async () => {
    const { asked: photos } = await parts();
    const back = tripped(photos.images);
    const name = await partJudge();
    const right = (images: Tensor) =>
      shareNamed(name(images), (label, place) => label === photos.labels[place]);
    const error = scope(() => back.to("float32").sub(photos.images.to("float32")).square().mean().item());
    const of = await features();
    const { photos: learned, roundTrips } = await learnedFeatures();
    const made = of(back);
    return {
      photos: photos.labels.length,
      "accuracy of photos": right(photos.images),
      "accuracy of round trips": right(back),
      "PSNR (dB)": 10 * Math.log10(255 ** 2 / error),
      "told from photos (AUROC)": traces([learned, roundTrips], [of(photos.images), made]),
      "precision of round trips": precisionRecall(learned, made).precision,
      "KID of round trips": kid(learned, made).kid,
    };
  },

  /** Images of held-out captions beside the held-out renders of these captions; other renders tell what could be had. */
  captions: async () => {
    const { heldOut, train, familiesOf } = await renders();
    const { captions } = heldOut;
    const drawn = inBatches(captions.length, (places) =>
      textToImage(sd, {
        ...DRAWING,
        prompts: places.map((place) => captions[place]!),
        seeds: places.map((place) => deriveSeed(seed, "caption", place)),
      }),
    );
    await encodeWebp(
      contactSheet(some({ images: drawn, labels: heldOut.labels }, 64).images, { columns: 8 }),
      join(own, "captions.webp"),
    );
    const of = await features();
    const real = of(heldOut.images);
    const made = distances(real, of(drawn));
    const others = distances(real, of(some(train, captions.length).images));
    const name = await familyJudge();
    const right = (images: Tensor) =>
      shareNamed(name(images), (label, place) => familiesOf.get(captions[place]!)!.has(label));
    return {
      images: captions.length,
      captions: new Set(captions).size,
      ...made,
      "KID of other renders": others.kid,
      "FID of other renders": others.fid,
      "precision of other renders": others.precision,
      "recall of other renders": others.recall,
      "recognised renders": right(heldOut.images),
      "recognised images": right(drawn),
    };
  },

  /** Faithful redraws and drift of photos that the words were not learned from, beside photos and beside round trips. */
  redraws: async () => {
    const look = await looker();
    const photos = await photosToRedraw();
    const figures: Record<string, number> = {
      photos: photos.labels.length,
      ...look("photos", photos.images),
    };
    for (const strength of [FAITHFUL, DRIFT])
      Object.assign(figures, look(`strength ${strength}`, await redrawn(photos, strength)));
    return figures;
  },

  /** The same redraws, led more or less by their words. */
  guidance: async () => {
    const look = await looker();
    const photos = await photosToRedraw();
    const figures: Record<string, number> = {};
    for (const guidanceScale of GUIDANCES)
      for (const strength of [FAITHFUL, DRIFT]) {
        const drawn = await redrawn(photos, strength, { guidanceScale });
        Object.assign(figures, look(`guidance ${guidanceScale}, strength ${strength}`, drawn));
      }
    return figures;
  },

  /** The same redraws by several samplers, as DA-Fusion guides them. */
  samplers: async () => {
    const photos = some((await parts()).asked, RESAMPLED);
    const name = await partJudge();
    const of = await features();
    const { photos: learned } = await learnedFeatures();
    const figures: Record<string, number> = { photos: photos.labels.length, ...SAMPLED };
    for (const { sampler, steps } of SAMPLERS) {
      const began = process.cpuUsage();
      const drawn = await redrawn(photos, SAMPLED.strength, { ...SAMPLED, sampler, steps });
      const { user, system } = process.cpuUsage(began);
      const title = `${sampler.name}, ${steps} steps`;
      figures[`${title}: recognised`] = shareNamed(
        name(drawn),
        (label, place) => label === photos.labels[place],
      );
      for (const [figure, value] of Object.entries(distances(learned, of(drawn))))
        figures[`${title}: ${figure}`] = value;
      figures[`${title}: seconds of processor time`] = (user + system) / 1e6;
    }
    return figures;
  },

  /** Photos, and below each its redraws. */
  picture: async () => {
    const { asked: all } = await parts();
    const photos = some(all, SHOWN);
    const rows = [photos.images];
    for (const strength of SHOWN_STRENGTHS) rows.push(await redrawn(photos, strength));
    const file = join(own, "redraws.webp");
    await encodeWebp(contactSheet(cat(rows), { columns: SHOWN }), file);
    return { rows: `photos, then strengths ${SHOWN_STRENGTHS.join(", ")}`, file };
  },
};

for (const part of PARTS.filter((each) => asked.includes(each))) {
  const path = join(own, `${part}.json`);
  if (!existsSync(path)) {
    const began = { cpu: process.cpuUsage(), at: performance.now() };
    const figures = await MEASURES[part]();
    const { user, system } = process.cpuUsage(began.cpu);
    const minutes = (user + system) / 6e7;
    await writeFileAtomic(
      path,
      `${JSON.stringify({ ...figures, "minutes of processor time": minutes }, null, 1)}\n`,
    );
  }
  const figures = JSON.parse(readFileSync(path, "utf8")) as Figures;
  console.log(`\n${part}`);
  for (const [figure, value] of Object.entries(figures))
    console.log(`  ${figure}: ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`);
}
