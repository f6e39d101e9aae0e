import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { parse } from "yaml";
import type { Drawer, Generated, ImageFeatures, ImageGenerator } from "../generators/index.ts";
import { number } from "./drawing-flags.ts";
import { settingProblems } from "./setting-problems.ts";
import { wholeNumber } from "./whole-number.ts";

/** CLIP's vocabulary as it lies in penumbra-mini. */
const TOKENIZER = fileURLToPath(new URL("../../mini/tokenizer", import.meta.url));

interface GenerateFlags {
  readonly photos: string;
  readonly count: number;
  readonly out?: string;
  readonly kind: "faithful" | "near-ood" | "both";
  readonly compare?: string;
  readonly model?: string;
  readonly from?: string;
  readonly images?: string;
  readonly encoder?: string;
  readonly minutes?: number;
  readonly seed: number;
  readonly device: string;
  readonly set: readonly string[];
}

/** `penumbra generate GENERATOR --photos FOLDER --count N`: a few photos to more images. */
export function generateCommand(): Command {
  return new Command("generate")
    .description(
      "train a generator on a few photos and draw images from them: faithful ones and near-OOD ones, with a sheet and figures; resumes where it was stopped",
    )
    .argument(
      "<generator>",
      "latent-diffusion, autoencoder, vae, gan, ddpm or unclip; or none: photos augmented, cut up, bent and mixed; or folder: images of --images, from another tool",
    )
    .requiredOption("--photos <folder>", "photos, a folder a class")
    .option("--count <images>", "images of each kind", wholeNumber(1), 64)
    .option("-o, --out <folder>", "what is made goes here (default: generated/GENERATOR)")
    .addOption(
      new Option("--kind <kind>", "what to draw").choices(["faithful", "near-ood", "both"]).default("both"),
    )
    .option("--compare <folder>", "photos that the figures compare with (default: --photos, which flatters)")
    .option(
      "--model <folder>",
      "a finished model instead of training one; for latent-diffusion one that words are learned with (default: penumbra-mini)",
    )
    .option(
      "--images <folder>",
      "of the generator folder: images as class/image.png, or with a manifest.jsonl",
    )
    .option(
      "--encoder <weights>",
      "published weights whose features the figures compare (default: pixels averaged to 8 x 8)",
    )
    .option("--from <folder>", "begin the training with the weights of a finished or published model")
    .option("--minutes <minutes>", "time for the training, in place of the generator's steps", number(0))
    .option("--seed <number>", "seed of everything random", wholeNumber(0), 0)
    .option("--device <device>", "cpu or cuda", "cpu")
    .option(
      "--set <key=value>",
      "any setting of the training, e.g. steps=500; may be repeated",
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .action(run);
}

async function run(name: string, flags: GenerateFlags): Promise<void> {
  const { generate, generatorNamed, measureImages } = await import("../generators/index.ts");
  const {
    out = `generated/${name}`,
    photos,
    count,
    kind,
    compare,
    model,
    from,
    images,
    seed,
    device,
  } = flags;
  const features = await featuresOf(flags.encoder, device);
  const measuring = {
    ...{ photos, out, onLine: (line: string) => process.stdout.write(`${line}\n`) },
    ...(kind !== "both" && { kinds: [kind] }),
    ...(compare !== undefined && { compare }),
    ...(features && { features }),
  };
  if ((name === "folder") !== (images !== undefined))
    throw new Error("--images and the generator folder go together. Give both, or neither.");
  if (images !== undefined) {
    tell(await measureImages({ ...measuring, images }), features);
    return;
  }
  const generator =
    name === "none" ? (await import("../study/index.ts")).withoutGenerator : generatorNamed(name);
  const learns = !("hand" in generator) && generator.artist !== null;
  if (from !== undefined && !learns)
    throw new Error(`--from is for generators that are trained on photos, not for "${name}". Leave it out.`);
  if (model !== undefined && name === "none")
    throw new Error("--model names a finished generator, and none was chosen. Leave one of them out.");
  const settings = await settingsOf(
    "hand" in generator ? generator : (generator.byWords ?? generator),
    flags,
  );
  const stop = new AbortController();
  const onSignal = () => {
    process.stdout.write("generate: stopping after this step or batch; the same command goes on from here\n");
    stop.abort();
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    const made = await generate({
      ...{ ...measuring, name, generator, count, settings, seed, device, tokenizer: TOKENIZER },
      ...(model !== undefined && { model }),
      ...(from !== undefined && { from }),
      signal: stop.signal,
    });
    if (made) tell(made.quality, features);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** Edge of the images that an encoder sees: patches of 14 and of 16 pixels divide it. */
const ENCODER_SIDE = 112;

async function featuresOf(weights: string | undefined, device: string): Promise<ImageFeatures | null> {
  if (weights === undefined) return null;
  const { Encoder, extractFeatures } = await import("../contrast/index.ts");
  const { findEncoderWeights } = await import("../models/index.ts");
  const encoder = Encoder.recognised(await findEncoderWeights(weights, {}));
  encoder.to({ device });
  return {
    title: `features of ${encoder.config.network} (${weights}), ${ENCODER_SIDE} px`,
    size: ENCODER_SIDE,
    of: (images) => extractFeatures(encoder, images, { device }),
  };
}

function tell(quality: Generated["quality"], features: ImageFeatures | null): void {
  for (const [which, figures] of Object.entries(quality)) {
    const shown = (["fid", "kid", "precision", "recall"] as const).map(
      (figure) => `${figure} ${figures[figure]?.toPrecision(3) ?? "–"}`,
    );
    process.stdout.write(`${which}: ${figures.images} images, ${shown.join(", ")}\n`);
  }
  process.stdout.write(`By ${features?.title ?? "pixels averaged to 8 x 8"}.\n`);
}

async function settingsOf(
  { settings: schema }: Pick<ImageGenerator | Drawer, "settings">,
  { set, minutes, seed, device }: GenerateFlags,
): Promise<object> {
  const given: Record<string, unknown> = { seed, device, ...(minutes !== undefined && { minutes }) };
  for (const pair of set) {
    const at = pair.indexOf("=");
    if (at < 1) throw new Error(`--set "${pair}" is not key=value. Write, for example, --set steps=500.`);
    given[pair.slice(0, at)] = parse(pair.slice(at + 1));
  }
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const problems = await settingProblems(result.error, given, schema);
  throw new Error(`The settings of the training are not valid: ${problems}`);
}
