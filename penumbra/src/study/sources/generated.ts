import { resolve } from "node:path";
import { z } from "zod";
import { IMAGE_KINDS, type ImageKind } from "../../data/index.ts";
import type { Json } from "../../files/index.ts";
import {
  drawFromPhotos,
  GENERATORS,
  type GeneratorName,
  generatorNamed,
  generatorNames,
  type PhotoArtist,
  recipeOf,
  waysOf,
} from "../../generators/index.ts";
import { KIND_DESCRIPTION } from "./folder.ts";
import { defineSource, type ImageRequest, type ImageSource, type SourceStudy } from "./source.ts";

/** Generators that draw from photos. */
export type PhotoGeneratorName = Exclude<GeneratorName, "latent-diffusion">;
export const photoGenerators = generatorNames.filter(
  (name): name is PhotoGeneratorName => GENERATORS[name].artist !== null,
);

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

/** Images of each training photo by each way. */
const USUAL_VARIANTS: Readonly<Record<ImageKind, number>> = { faithful: 2, "near-ood": 1 };

const KIND_WORDS: Readonly<Record<ImageKind, string>> = { faithful: "faithful", "near-ood": "near-OOD" };

/** A source of images that a generator draws from the training photos. */
interface DrawnSource<OwnSection> {
  /** Its recipes begin with it. */
  readonly name: string;
  readonly title: string;
  /** What people call its ways to draw begins so. */
  readonly titleOfWays: string;
  readonly generator: PhotoGeneratorName;
  readonly kind: ImageKind;
  readonly section: z.ZodType<OwnSection>;
}

/** All images of a kind that a generator draws from the training photos. */
function drawnSource<OwnSection extends Section>({
  name,
  title,
  titleOfWays,
  generator,
  kind,
  section: schema,
}: DrawnSource<OwnSection>): ImageSource {
  const { title: ofGenerator, artist } = GENERATORS[generator] as { title: string; artist: PhotoArtist };
  const ways = Object.entries(artist.ways).filter(([, way]) => way.kind === kind);
  const wayOfRecipe = new Map(ways.map(([way]) => [recipeOf(name, way), way]));
  return defineSource<OwnSection, Settings>({
    title,
    description: `Images that ${/^[aeiou]/i.test(ofGenerator) ? "an" : "a"} ${ofGenerator} draws from training photos: ${ways.map(([, way]) => way.title).join(", ")}`,
    kind,
    needs: "photos",
    version: 1,
    recipes: Object.fromEntries(
      ways.map(([way, { title: of, hasStrength, range }]) => [
        recipeOf(name, way),
        { title: `${titleOfWays} ${of}`, hasStrength, range, hasChance: true },
      ]),
    ),
    section: schema,
    settings: (_, { model, variants }) => ({ generator, model, variants }),
    trains: ({ model, from, training }) => (model === null ? { generator, from, settings: training } : null),
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
          ...{ generator, source: name, artist, model, photos: train, seed, folder, onProgress },
          ...{ pixels: pixels.to(study.device), batchSize: study.config.redraw.batchSize },
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

/** A built-in source: a generator's images of a kind. Its recipes are called as the generator's own. */
function drawnBy(generator: PhotoGeneratorName, kind: ImageKind): ImageSource {
  const { title } = GENERATORS[generator];
  return drawnSource({
    ...{ name: generator, title: `${title} ${KIND_WORDS[kind]} images`, titleOfWays: title },
    ...{ generator, kind, section: sectionOf(generator, USUAL_VARIANTS[kind]) },
  });
}

/** The section of a source of a configuration's own: a generator's images of a kind, by settings of its own. */
export function ownSectionOf(generator: PhotoGeneratorName, kind: ImageKind) {
  return sectionOf(generator, USUAL_VARIANTS[kind]).extend({
    generator: z.literal(generator).meta({ description: "What draws the images" }),
    kind: z.enum(IMAGE_KINDS).meta({ description: KIND_DESCRIPTION }),
  });
}

/** The source of a generator's images of a kind, by a name of the configuration's own. */
export function generatorSource(name: string, generator: PhotoGeneratorName, kind: ImageKind): ImageSource {
  return drawnSource({
    ...{ name, title: name, titleOfWays: name, generator, kind },
    section: ownSectionOf(generator, kind),
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
  "autoencoder-faithful": drawnBy("autoencoder", "faithful"),
  "autoencoder-near-ood": drawnBy("autoencoder", "near-ood"),
  "vae-faithful": drawnBy("vae", "faithful"),
  "vae-near-ood": drawnBy("vae", "near-ood"),
  "gan-faithful": drawnBy("gan", "faithful"),
  "gan-near-ood": drawnBy("gan", "near-ood"),
  "ddpm-faithful": drawnBy("ddpm", "faithful"),
  "ddpm-near-ood": drawnBy("ddpm", "near-ood"),
  "unclip-faithful": drawnBy("unclip", "faithful"),
  "unclip-near-ood": drawnBy("unclip", "near-ood"),
} as const satisfies Readonly<Record<string, ImageSource>>;
