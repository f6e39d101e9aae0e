import { join, resolve } from "node:path";
import {
  allowedImages,
  type BroughtImage,
  DataError,
  type ImageKind,
  type Photo,
  readBroughtImages,
  type Split,
} from "../../data/index.ts";
import { loadWords } from "../../diffusion/index.ts";
import { hashOf } from "../../files/index.ts";
import { sourceOf } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { pixelsHash, type StudyContext, withPixels } from "./context.ts";
import { generatorStage, loadTrained } from "./generator.ts";
import type { ModelLoader } from "./model-loader.ts";
import { fitJudges, type Judges, judgesIdentity } from "./sift-judges.ts";
import { WORDS_FILE } from "./words.ts";

export interface ImagesInputs {
  readonly train: readonly Photo[];
  /** Photos that images are made of. Default: the training photos, of which everything is learned. */
  readonly of?: readonly Photo[];
  readonly seed: number;
  /** The diffusion model and the words of the seed, where some source needs them. */
  readonly loader: ModelLoader | null;
  readonly words: Artifact | null;
  /** The split of the seed with the encoders of `judgeEncoders`, where some source is judged. */
  readonly judging?: Judging | null;
  /** Name and label of the stage. Default: "images", and source and seed. */
  readonly stage?: string;
  readonly label?: string;
}

export interface Judging {
  readonly split: Split;
  readonly encoders: readonly Artifact[];
}

/** A source with all that it works with, and all that decides about its images. */
export async function prepareSource(context: StudyContext, name: string, inputs: ImagesInputs) {
  const { config, tables } = context;
  const { train, of = train, seed } = inputs;
  const source = sourceOf(name, tables.sources);
  const section = config.sources[name] ?? null;
  const loader = source.needs === "photos" ? null : inputs.loader;
  const study = { ...context, model: loader?.model ?? null };
  const settings = source.settings(study, section);
  const brought = source.brings ? await bringImages(context, name, source.brings(section), inputs) : null;
  const words = source.needs === "words" ? inputs.words : null;
  const training = source.trains?.(section) ?? null;
  const trained = training && (await generatorStage(context, training, train, seed));
  const { judging = null } = inputs;
  const guiding = source.needsJudges
    ? judgesIdentity(context, ...judgingOf(present(judging, name, "judges")))
    : null;
  let fitted: Promise<Judges> | undefined;
  /** Fitted when they are first asked for, for drawing and sifting alike. */
  const judges = () => {
    fitted ??= fitJudges(context, ...judgingOf(present(judging, name, "judges")));
    return fitted;
  };
  return {
    source,
    settings,
    learned: trained ?? (config.words.from === undefined ? words : null),
    work: {
      ...{ study, train: of, seed, settings },
      withPixels: withPixels.bind(null, context, of) as SourcePixels,
      model: () => present(loader, name, "the diffusion model"),
      generator: () => {
        if (training && trained) return loadTrained(training, trained, context.device);
        throw new RangeError(`The source "${name}" asks for a generator without saying that it trains one.`);
      },
      brought: () => present(brought, name, "images of a folder"),
      words: () => loadWords(join(present(words, name, "words").folder, WORDS_FILE)),
      async judges() {
        if (!guiding) throw new RangeError(`The source "${name}" asks for judges without saying so.`);
        const { upper, nearest } = await judges();
        const own = Object.values(guiding).map((each) => (typeof each === "string" ? each : each.hash));
        return { hash: hashOf([own, settings]), upper, distances: nearest };
      },
    },
    judges,
    hashes: {
      photos: pixelsHash(context, of),
      ...(words && { words }),
      ...(loader && { model: loader.model.hash }),
      ...(trained && { generator: trained }),
      ...(brought && { images: hashOf(brought.map(identityOf)) }),
      ...guiding,
      ...(await source.inputs?.(study, section)),
    },
  };
}

/** What of a brought image decides about a training; where its folder lies does not. */
function identityOf({ id, hash, className, wordClass, strength, parent }: BroughtImage) {
  return [id, hash, className, wordClass, strength, parent?.id ?? null];
}

/** The images of a folder that a seed may learn from; tells how many it may not. */
async function bringImages(
  { folder: base, store, photos, classes, cacheFolder }: StudyContext,
  name: string,
  { folder, kind }: { readonly folder: string; readonly kind: ImageKind },
  { train, seed }: Pick<ImagesInputs, "train" | "seed">,
): Promise<readonly BroughtImage[]> {
  return store.observe(
    "folder",
    async (progress, note) => {
      const place = resolve(base, folder);
      const { images, problems } = await readBroughtImages(place, {
        ...{ kind, photos, classes, cacheFolder },
        onProgress: (done, total) => progress(done, total, "images"),
      });
      for (const problem of problems) note(problem);
      const { allowed, strayChildren, copies } = allowedImages(images, train, photos);
      const leftOut = (count: number, why: string) => {
        if (count > 0)
          note(`Left out ${count} of ${images.length} images: ${why} photos that it does not train on`);
      };
      leftOut(strayChildren, "made from");
      leftOut(copies, "copies, or almost, of");
      if (allowed.length > 0) return allowed;
      throw new DataError(
        `None of the ${images.length} ${kind} images in "${place}" may be used at seed ${seed}: all were made from photos that it does not train on, or are copies of them. Bring images of its training photos too.`,
      );
    },
    `${name}, seed ${seed}`,
  );
}

const judgingOf = ({ split, encoders }: Judging) => [split, encoders] as const;

type SourcePixels = Parameters<ReturnType<typeof sourceOf>["draw"]>[0]["withPixels"];

function present<T>(value: T | null, source: string, what: string): T {
  if (value !== null) return value;
  throw new RangeError(`The source "${source}" asks for ${what} without saying that it needs it.`);
}
