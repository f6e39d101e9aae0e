import { existsSync } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  cat,
  deriveSeed,
  Generator,
  keep,
  noGrad,
  optim,
  Random,
  resolvePrecision,
  safetensors,
  scope,
  type Tensor,
} from "@penumbra/torch";
import { z } from "zod";
import {
  beginTextToImage,
  encodePrompts,
  fillTemplate,
  PLAIN_TEMPLATE,
  StableDiffusion,
  TEMPLATES,
} from "../../diffusion/index.ts";
import { canonicalJson, type Json, writeFileAtomic, writeFolderAsync } from "../../files/index.ts";
import { autocastTo, type Compute, UNet2DConditionModel } from "../../models/index.ts";
import { GeneratorError } from "../errors.ts";
import { indices } from "../trainer/crops.ts";
import { train } from "../trainer/loop.ts";
import { Noising } from "../trainer/noising.ts";
import type { Trainee } from "../trainer/trainee.ts";

/** Which weights of the UNet are trained, by their names: ESD-x, ESD-u and all, as DA-Fusion's control has it. */
const LAYERS = {
  "cross-attention": (name: string) => name.includes(".attn2."),
  others: (name: string) => !/\.attn2\.|^time_embedding\.|^conv_out\./.test(name),
  all: () => true,
} as const;

export const EraseSettings = z.strictObject({
  layers: z
    .enum(Object.keys(LAYERS) as [keyof typeof LAYERS, ...(keyof typeof LAYERS)[]])
    .default("cross-attention")
    .describe(
      "Weights that are trained: cross-attention (ESD-x: only prompts that name the concept change), others (ESD-u), all.",
    ),
  negativeGuidance: z
    .number()
    .positive()
    .default(1)
    .describe("How far beyond the prediction without a prompt the one with it is led."),
  steps: z.int().positive().default(1000),
  batchSize: z.int().positive().default(4),
  learningRate: z.number().positive().default(1e-5),
  images: z.int().positive().default(32).describe("Images of each concept that the model draws to learn on."),
  drawSteps: z.int().positive().default(50),
  guidanceScale: z.number().min(1).default(3).describe("How strongly the concept pulls in these images."),
  seed: z.int().nonnegative().default(0),
  device: z.string().default("cpu"),
  precision: z.enum(["auto", "fp32", "bf16", "fp16"]).default("auto"),
  checkpointMinutes: z.number().nonnegative().default(5),
  logSeconds: z.number().nonnegative().default(10),
});
export type EraseSettings = z.infer<typeof EraseSettings>;

export interface EraseOptions {
  /** Folder or file of the model that forgets. */
  readonly model: string;
  /** What people call it, for the card. */
  readonly name: string;
  /** What is forgotten, each as it stands in "a photo of a …". */
  readonly concepts: readonly string[];
  /** Gets the model without it, in the diffusers layout. */
  readonly out: string;
  /** Checkpoint, log and what the model drew. Default: `out`.work */
  readonly work?: string;
  readonly settings: EraseSettings;
  /** Weights are written as float16. Default: as they are computed with. */
  readonly half?: boolean;
  readonly signal?: AbortSignal;
  readonly onLine?: (line: string) => void;
}

/**
 * Makes a model forget concepts (Gandikota et al. 2023, "Erasing concepts from diffusion models"): a copy of its UNet
 * learns to predict under a prompt what the frozen one predicts when it is led away from that prompt. It is DA-Fusion's
 * control for what a model knows of a class beforehand (Trabucco et al. 2023, section 4): erase the classes' names, then
 * learn their words with what is left.
 *
 * Images of the concept are the model's own, noised to random timesteps: no photos are needed. The paper stops drawing at
 * such a timestep instead, which has the same distribution as far as a model's own images do.
 *
 * Resumable: call it again with the same folders and settings. The result then has the same bits.
 *
 * @returns `out`, or null when the signal ended it before
 * @throws GeneratorError without concepts, or for a work folder of another model, other concepts or settings
 */
export async function eraseConcepts(options: EraseOptions): Promise<string | null> {
  const { model, concepts, out, settings, half, signal, onLine } = options;
  const { work = `${out}.work` } = options;
  if (concepts.length === 0 || concepts.some((concept) => concept.trim() === ""))
    throw new GeneratorError('There is nothing to erase. Give at least one concept, such as "relay".');
  const sd = StableDiffusion.load(model, { device: settings.device });
  sd.requiresGrad_(false);
  await claim(work, { model: sd.hash, concepts, settings });
  const drawn = await drawConcepts(sd, work, options);
  if (drawn === null) return null;
  const eraser = new EraserTrainee({ sd, concepts, drawn, settings });
  const { steps, batchSize, learningRate, checkpointMinutes, logSeconds } = settings;
  const { complete } = await train(eraser, {
    ...{ folder: work, steps, batchSize, learningRate, warmup: 0, checkpointMinutes, logSeconds },
    ...{ inspectMinutes: Number.POSITIVE_INFINITY, signal, onLine },
  });
  if (!complete) return null;
  const { tokenizer, textEncoder, vae, schedulerConfig } = sd;
  const unet = eraser.networks.unet;
  const erased = new StableDiffusion({ tokenizer, textEncoder, unet, vae, schedulerConfig });
  await writeFolderAsync(out, async (aside) => {
    erased.save(aside, half ? { dtype: "float16" } : {});
    await writeFile(join(aside, "README.md"), await cardOf(options, sd.hash));
  });
  onLine?.(`erase: wrote ${out}`);
  return out;
}

/** Takes a work folder for this erasure, or goes on in it. @throws GeneratorError where it is another's */
async function claim(work: string, erasure: object): Promise<void> {
  const path = join(work, "erasure.json");
  const text = canonicalJson(erasure as Json);
  await mkdir(work, { recursive: true });
  if (!existsSync(path)) return writeFileAtomic(path, text);
  if ((await readFile(path, "utf8")) !== text)
    throw new GeneratorError(
      `"${work}" belongs to another erasure: of another model, other concepts or settings. Use the same ones, another work folder, or remove it.`,
    );
}

/** float32 [N, c, h, w], scaled latents of the model's own images, those of each concept together; null when stopped. */
async function drawConcepts(
  sd: StableDiffusion,
  work: string,
  { concepts, settings, signal, onLine }: EraseOptions,
): Promise<Tensor | null> {
  const { images, drawSteps, guidanceScale, seed, precision } = settings;
  const path = join(work, "drawn.safetensors");
  if (!existsSync(path)) {
    const parts: Tensor[] = [];
    for (const concept of concepts) {
      onLine?.(`erase: draws ${images} images of "${concept}"`);
      using drawing = beginTextToImage(sd, {
        prompts: Array<string>(images).fill(fillTemplate(PLAIN_TEMPLATE, concept)),
        seeds: Array.from({ length: images }, (_, image) => deriveSeed(seed, "erase", concept, image)),
        ...{ steps: drawSteps, guidanceScale, precision },
      });
      while (drawing.step()) {
        await new Promise((resolve) => setImmediate(resolve)); // lets signals in
        if (signal?.aborted) return null;
      }
      parts.push(drawing.latents());
    }
    safetensors.write(path, { drawn: scope(() => cat(parts)) });
    for (const part of parts) part.dispose();
  }
  return scope(() => safetensors.read(path).tensors.drawn!.to(sd.device));
}

/**
 * What the copy is to predict under a prompt: eps - eta (eps_c - eps), with the frozen model's predictions under the
 * prompt c and without one (Gandikota et al. 2023, eq. 7).
 */
export function erasureTarget(prompted: Tensor, unprompted: Tensor, negativeGuidance: number): Tensor {
  return scope(() => unprompted.sub(prompted.sub(unprompted).mul(negativeGuidance)));
}

/** The copy of the UNet that forgets. */
class EraserTrainee implements Trainee {
  readonly name = "eraser";
  readonly lossNames = ["loss"] as const;
  readonly device: string;
  readonly networks: { readonly unet: UNet2DConditionModel };
  readonly optimizer: optim.AdamW;
  readonly #frozen: UNet2DConditionModel;
  readonly #settings: EraseSettings;
  readonly #drawn: Tensor;
  /** [concepts * templates, L, D] */
  readonly #contexts: Tensor;
  /** [1, L, D] */
  readonly #empty: Tensor;
  readonly #noising: Noising;
  readonly #random: Generator;
  readonly #compute: Compute;

  constructor(options: {
    sd: StableDiffusion;
    concepts: readonly string[];
    drawn: Tensor;
    settings: EraseSettings;
  }) {
    const { sd, concepts, drawn, settings } = options;
    this.device = sd.device;
    this.#settings = settings;
    this.#frozen = sd.unet;
    this.#drawn = drawn;
    const unet = new UNet2DConditionModel(sd.unet.config);
    unet.loadStateDict(sd.unet.stateDict());
    unet.to({ device: sd.device, memoryFormat: "channelsLast" });
    unet.requiresGrad_(false);
    const trained = [...unet.namedParameters()].filter(([name]) => LAYERS[settings.layers](name));
    const parameters = trained.map(([, parameter]) => parameter);
    for (const parameter of parameters) parameter.requiresGrad = true;
    this.networks = { unet };
    this.optimizer = new optim.AdamW(parameters, { lr: settings.learningRate, weightDecay: 0 });
    const prompts = concepts.flatMap((concept) =>
      TEMPLATES.map((template) => fillTemplate(template, concept)),
    );
    this.#contexts = keep(encodePrompts(sd, prompts));
    this.#empty = keep(encodePrompts(sd, [""]));
    this.#noising = new Noising(sd.schedulerConfig, sd.device);
    this.#random = new Generator({ seed: 0, device: sd.device });
    this.#compute = autocastTo(sd.device, resolvePrecision(settings.precision, sd.device).dtype);
  }

  step(step: number, learningRate: number): Tensor[] {
    const { seed, negativeGuidance } = this.#settings;
    const { items, rows } = this.#choose(step);
    const generator = this.#random.manualSeed(deriveSeed(seed, "erase", "noise", step));
    const { noisy, timesteps } = this.#noising.corrupt(this.#drawn.indexSelect(0, items), generator);
    const context = this.#contexts.indexSelect(0, rows);
    const target = noGrad(() => {
      const both = this.#compute(() =>
        this.#frozen.forward(
          cat([noisy, noisy]),
          cat([timesteps, timesteps]),
          cat([context, this.#empty.expandAs(context)]),
        ),
      );
      const [prompted, unprompted] = both.to("float32").chunk(2) as [Tensor, Tensor];
      return erasureTarget(prompted, unprompted, negativeGuidance);
    });
    const predicted = this.#compute(() => this.networks.unet.forward(noisy, timesteps, context));
    const loss = predicted.to("float32").sub(target).square().mean();
    this.optimizer.zeroGrad();
    loss.backward();
    this.optimizer.lr = learningRate;
    this.optimizer.step();
    return [loss.detach()];
  }

  /** Images of random concepts, each with a prompt that names its own. */
  #choose(step: number): { items: Tensor; rows: Tensor } {
    const { seed, batchSize, images } = this.#settings;
    const random = new Random(deriveSeed(seed, "erase", "items", step));
    const items = Array.from({ length: batchSize }, () => random.int(this.#drawn.shape[0] as number));
    const rows = items.map(
      (item) => Math.floor(item / images) * TEMPLATES.length + random.int(TEMPLATES.length),
    );
    return { items: indices(items, this.device), rows: indices(rows, this.device) };
  }
}

/** What was erased, followed by the card of the model that it was erased from, whose licence goes on. */
async function cardOf({ model, name, concepts, settings }: EraseOptions, hash: string): Promise<string> {
  const { layers, negativeGuidance, steps, batchSize, learningRate, images, seed } = settings;
  const path = join(model, "README.md");
  const isThere = (await stat(path).catch(() => null))?.isFile() ?? false;
  const origin = isThere
    ? `\nThe card of ${name} follows.\n\n${await readFile(path, "utf8")}`
    : "The licence of that model goes for these weights too.\n";
  return `# ${name} without ${concepts.map((concept) => `"${concept}"`).join(", ")}

Made by \`penumbra erase\` (Gandikota et al. 2023) from ${name} (${hash}): ${steps} steps of ${batchSize}, learning rate ${learningRate}, negative guidance ${negativeGuidance}, ${layers === "all" ? "all" : layers === "others" ? "all but the cross-attention" : "the cross-attention"} weights of the UNet trained, on ${images} images of each concept that the model drew itself; seed ${seed}.

${origin}`;
}
