import { resolve } from "node:path";
import { z } from "zod";
import type { ImageKind } from "../../data/index.ts";
import type { Json } from "../../files/index.ts";
import {
  drawFromPhotos,
  GENERATORS,
  type GeneratorName,
  generatorNamed,
  type PhotoArtist,
  recipeOf,
  waysOf,
} from "../../generators/index.ts";
import { defineSource, type ImageRequest, type ImageSource, type SourceStudy } from "./source.ts";

/** Generators that draw from photos. */
type PhotoGeneratorName = Exclude<GeneratorName, "latent-diffusion">;

/** Settings of a training that the study decides about. */
const OF_STUDY = ["seed", "device", "precision"] as const;

function sectionOf(name: PhotoGeneratorName, variants: number) {
  const { title, settings } = GENERATORS[name];
  return z.strictObject({
    model: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .meta({
        description: `Folder of a finished ${title} that knows the study's classes; null: one is trained on each seed's training photos`,
      }),
    from: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .meta({
        description: `Folder of a finished ${title} of these settings, such as penumbra pretrain --generator ${name} makes of a corpus, whose weights the training begins with; null: random ones`,
      }),
    training: z
      .record(z.string(), z.json())
      .default({})
      .superRefine((given, context) => {
        for (const field of OF_STUDY) {
          if (field in given)
            context.addIssue({
              code: "custom",
              path: [field],
              message: "the study decides about it: leave it out",
            });
        }
        const result = settings.safeParse(given);
        for (const { path, message } of result.error?.issues ?? [])
          context.addIssue({ code: "custom", path: [...path] as (string | number)[], message });
      })
      .meta({
        description: `Settings of the training that differ from the defaults, as penumbra generate ${name} --set takes them; images are of the study's size unless imageSize says otherwise`,
      }),
    variants: z
      .int()
      .positive()
      .default(variants)
      .meta({ description: "Images of each training photo by each way" }),
  });
}

type Section = z.output<ReturnType<typeof sectionOf>>;
type Settings = {
  readonly generator: PhotoGeneratorName;
  readonly model: string | null;
  readonly variants: number;
};

const KIND_WORDS: Readonly<Record<ImageKind, string>> = { faithful: "faithful", "near-ood": "near-OOD" };

/** All images of a kind that a generator draws from the training photos. */
function drawnBy(name: PhotoGeneratorName, kind: ImageKind, variants: number): ImageSource {
  const { title, artist } = GENERATORS[name] as { title: string; artist: PhotoArtist };
  const ways = Object.entries(artist.ways).filter(([, way]) => way.kind === kind);
  const wayOfRecipe = new Map(ways.map(([way]) => [recipeOf(name, way), way]));
  return defineSource<Section, Settings>({
    title: `${title} ${KIND_WORDS[kind]} images`,
    description: `Images that a ${title} draws from training photos: ${ways.map(([, way]) => way.title).join(", ")}`,
    kind,
    needs: "photos",
    version: 1,
    recipes: Object.fromEntries(
      ways.map(([way, { title: of, hasStrength, range }]) => [
        recipeOf(name, way),
        { title: `${title} ${of}`, hasStrength, range, hasChance: true },
      ]),
    ),
    section: sectionOf(name, variants),
    settings: (_, { model, variants: count }) => ({ generator: name, model, variants: count }),
    trains: ({ model, from, training }) =>
      model === null ? { generator: name, from, settings: training } : null,
    inputs: async (study, { model }): Promise<Record<string, string>> =>
      model === null ? {} : { generator: loadGiven(artist, study, model).hash },
    requests: ({ train, settings, study }) =>
      train.flatMap((_, photo) =>
        waysOf(artist, kind, study.classes.length).flatMap((way) =>
          Array.from(
            { length: settings.variants },
            (_, variant): ImageRequest => ({ photo, recipe: recipeOf(name, way), variant }),
          ),
        ),
      ),
    draw(work, requests) {
      const { study, train, seed, settings, folder, onProgress } = work;
      const model = settings.model === null ? work.generator() : loadGiven(artist, study, settings.model);
      return work.withPixels(model.imageSize, (pixels) =>
        drawFromPhotos({
          ...{ generator: name, artist, model, photos: train, pixels: pixels.to(study.device), seed, folder },
          ...{ batchSize: study.config.redraw.batchSize, onProgress },
          requests: requests.map(({ photo, recipe, variant, attempt, strength }) => ({
            ...{ photo, way: wayOfRecipe.get(recipe)!, variant },
            ...(attempt !== undefined && { attempt }),
            ...(strength !== undefined && { dial: strength }),
          })),
        }),
      );
    },
  });
}

function loadGiven(artist: PhotoArtist, { folder, device, classes }: SourceStudy, model: string) {
  return artist.load(resolve(folder, model), { device, classes });
}

/** The training that a study makes of a section's settings. */
export function trainingSettings(
  generator: GeneratorName,
  given: Readonly<Record<string, Json>>,
  study: Pick<SourceStudy, "config" | "device" | "precision">,
  seed: number,
): object {
  // The study's size, up to the next multiple of 8: what is drawn is resized as photos are.
  const imageSize = Math.max(16, 8 * Math.ceil(study.config.imageSize / 8));
  const { device, precision } = study;
  return generatorNamed(generator).settings.parse({ imageSize, ...given, device, precision, seed });
}

export const generated = {
  "autoencoder-faithful": drawnBy("autoencoder", "faithful", 2),
  "autoencoder-near-ood": drawnBy("autoencoder", "near-ood", 1),
  "vae-faithful": drawnBy("vae", "faithful", 2),
  "vae-near-ood": drawnBy("vae", "near-ood", 1),
  "gan-faithful": drawnBy("gan", "faithful", 2),
  "gan-near-ood": drawnBy("gan", "near-ood", 1),
  "ddpm-faithful": drawnBy("ddpm", "faithful", 2),
  "ddpm-near-ood": drawnBy("ddpm", "near-ood", 1),
  "unclip-faithful": drawnBy("unclip", "faithful", 2),
  "unclip-near-ood": drawnBy("unclip", "near-ood", 1),
} as const satisfies Readonly<Record<string, ImageSource>>;
