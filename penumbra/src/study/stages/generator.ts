import { join, resolve } from "node:path";
import { decodePhotos, type Photo } from "../../data/index.ts";
import {
  generatorNamed,
  type LoadedGenerator,
  type PhotoArtist,
  photoCorpus,
  trainingFigures,
} from "../../generators/index.ts";
import { type SourceTraining, trainingSettings } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { decodingOf, labelOf, pixelsHash, type StudyContext } from "./context.ts";

/** Where a trained generator lies in its artifact. */
const MODEL = "model";

/**
 * Trains a generator on the training photos of a seed.
 * @throws GeneratorError where the model that it is to begin with is none of the generator's
 */
export async function generatorStage(
  context: StudyContext,
  { generator, from, settings: given }: SourceTraining,
  train: readonly Photo[],
  seed: number,
): Promise<Artifact> {
  const origin = from === null ? null : resolve(context.folder, from);
  const settings = trainingSettings(generator, given, context, seed);
  const { device: _, ...named } = settings as Record<string, never>;
  return context.store.run({
    name: "generator",
    version: 1,
    label: labelOf(context, seed, generator),
    inputs: {
      photos: pixelsHash(context, train),
      ...(origin !== null && { from: artistOf(generator).load(origin).hash }),
    },
    config: { generator, settings: named },
    seed,
    run: async ({ folder, scratch, progress }) => {
      const out = join(folder, MODEL);
      const written = await generatorNamed(generator).train({
        corpus: photoCorpus(train, (size) => decodePhotos(context.root, train, decodingOf(context, size))),
        ...{ out, work: scratch, settings, tokenizer: "" },
        ...(origin !== null && { from: origin }),
        dataNote: `Training photos of seed ${seed} of a study.`,
        onProgress: progress,
      });
      if (written === null) throw new Error(`The training of ${generator} ended early. Run the study again.`);
      return { photos: train.length, ...(await trainingFigures(out)) };
    },
  });
}

/** The model of a generator's artifact. */
export function loadTrained(
  { generator }: SourceTraining,
  artifact: Artifact,
  device: string,
): LoadedGenerator {
  return artistOf(generator).load(join(artifact.folder, MODEL), { device });
}

function artistOf(generator: SourceTraining["generator"]): PhotoArtist {
  const { artist } = generatorNamed(generator);
  if (!artist) throw new RangeError(`"${generator}" draws by words, not from photos.`);
  return artist;
}
