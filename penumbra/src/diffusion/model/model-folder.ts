import { createHash } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { safetensors } from "@penumbra/torch";
import { weightsFileIn } from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";
import { firstNonFinite } from "./finite-weights.ts";

/** A diffusion model in the diffusers layout, whole as far as its files tell. */
export interface ModelFolder {
  /** As in the configuration. */
  readonly name: string;
  readonly folder: string;
  readonly bytes: number;
  /** Side of the square images that it was made for, in pixels. */
  readonly imageSize: number;
  /** Weights of the UNet, which most of the time of drawing goes with. */
  readonly denoiserParameters: number;
  /** SHA-256 over the paths and contents of all weights, configurations and tokenizer files. */
  readonly hash: string;
}

/** Penumbra's own small model, beside the package's sources. */
const MINI_FOLDER = fileURLToPath(new URL("../../../mini", import.meta.url));
const MINI_NAME = "penumbra-mini";

const PARTS = ["scheduler", "text_encoder", "tokenizer", "unet", "vae"] as const;
const NETWORKS = ["text_encoder", "unet", "vae"] as const;

/**
 * Finds the model that a configuration names, relative to `base`, and checks that it is whole: every part there, every
 * weights file as long as its header says.
 *
 * @throws DiffusionError for a model that is missing or damaged
 */
export async function findModel(
  name: string,
  base: string,
  onProgress?: (done: number, total: number) => void,
): Promise<ModelFolder> {
  const folder = name === MINI_NAME ? MINI_FOLDER : resolve(base, name);
  const files = await partsOf(folder, name);
  checkWeights(folder, files, remedyFor(name));
  await checkFinite(folder, files);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const hash = await hashFiles(folder, files, (done) =>
    onProgress?.(Math.round(done / 2 ** 20), Math.round(bytes / 2 ** 20)),
  );
  return {
    ...{ name, folder, bytes, hash },
    imageSize: await imageSizeOf(folder),
    denoiserParameters: parametersIn(folder, files),
  };
}

function remedyFor(name: string): string {
  return name === MINI_NAME
    ? "Install the package again, or name another model in the configuration: model: FOLDER"
    : `Set "model" to a folder in the diffusers layout (as stable-diffusion-v1-5 has it), or to ${MINI_NAME}.`;
}

/** @throws DiffusionError naming the tensor with a weight that is no number, which would end in black images */
async function checkFinite(folder: string, files: readonly PartFile[]): Promise<void> {
  for (const { path } of files.filter(({ path }) => path.endsWith(".safetensors"))) {
    const name = await firstNonFinite(join(folder, path));
    if (name === undefined) continue;
    throw new DiffusionError(
      `The diffusion model in ${folder} is damaged: the tensor "${name}" in ${path} has weights that are infinite or not a number. Copy or download the model again; if you trained it, its training diverged.`,
    );
  }
}

const SINGLE_FILE = /\.(safetensors|ckpt|pt|pth|bin)$/i;

/** A file where a folder is needed: what it is, and how it becomes one. */
function singleFile(path: string): DiffusionError {
  if (!SINGLE_FILE.test(path))
    return new DiffusionError(
      `The diffusion model ${path} is a file; a folder in the diffusers layout is needed. Set "model" to the folder.`,
    );
  const beside = existsSync(join(dirname(path), "model_index.json"))
    ? ` The folder beside it looks right: ${dirname(path)}.`
    : "";
  return new DiffusionError(
    `The diffusion model ${path} is a single checkpoint file; a folder in the diffusers layout is needed.${beside} Convert it once with Python's diffusers: StableDiffusionPipeline.from_single_file("${basename(path)}").save_pretrained("FOLDER"), then set "model" to that folder.`,
  );
}

/** The files of a model of which every part is there. */
async function partsOf(folder: string, name: string): Promise<readonly PartFile[]> {
  if (!existsSync(folder))
    throw new DiffusionError(
      `The diffusion model ${name} is not there: ${folder} does not exist. ${remedyFor(name)}`,
    );
  if ((await stat(folder)).isFile()) throw singleFile(folder);
  const missing = ["model_index.json", ...PARTS].filter((part) => !existsSync(join(folder, part)));
  if (missing.length === 0) return filesOf(folder);
  throw new DiffusionError(
    `The diffusion model in ${folder} lacks ${missing.join(", ")}. ${remedyFor(name)}`,
  );
}

/** By the headers of safetensors; a pickle's by its length, as if of float32. */
function parametersIn(folder: string, files: readonly PartFile[]): number {
  const own = files.filter(({ path }) => path.startsWith("unet/") && path.endsWith(".safetensors"));
  if (own.length === 0) return statSync(weightsFileIn(join(folder, "unet"))!).size / 4;
  const shapes = own.flatMap(({ path }) => safetensors.readHeader(join(folder, path)).tensors);
  return shapes.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

function checkWeights(folder: string, files: readonly PartFile[], remedy: string): void {
  for (const part of NETWORKS) {
    if (weightsFileIn(join(folder, part)) === undefined) {
      throw new DiffusionError(
        `The diffusion model in ${folder} has no weights in ${part}: a .safetensors or .bin file of the usual name is needed there. ${remedy}`,
      );
    }
    const own = files.filter(({ path }) => path.startsWith(`${part}/`) && path.endsWith(".safetensors"));
    for (const { path } of own) {
      try {
        safetensors.readHeader(join(folder, path));
      } catch (cause) {
        throw new DiffusionError(
          `The diffusion model in ${folder} is damaged. ${(cause as Error).message} Copy or download the model again.`,
          { cause },
        );
      }
    }
  }
}

/** SHA-256 over paths, lengths and contents; `onProgress` is told the bytes read so far. */
async function hashFiles(
  folder: string,
  files: readonly PartFile[],
  onProgress: (done: number) => void,
): Promise<string> {
  const hash = createHash("sha256");
  let done = 0;
  for (const { path, size } of files) {
    hash.update(`${path}\0${size}\0`);
    await pipeline(createReadStream(join(folder, path)), async (stream) => {
      for await (const chunk of stream) hash.update(chunk as Uint8Array);
    });
    done += size;
    onProgress(done);
  }
  return hash.digest("hex");
}

/** Latent side of the UNet times the autoencoder's down-sampling, 2^(blocks - 1). */
async function imageSizeOf(folder: string): Promise<number> {
  const [unet, vae] = await Promise.all(
    ["unet", "vae"].map(async (part) => {
      const path = join(folder, part, "config.json");
      try {
        return JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
      } catch (cause) {
        throw new DiffusionError(
          `The diffusion model in ${folder} is damaged: ${path} cannot be read (${(cause as Error).message}). Copy or download the model again.`,
          { cause },
        );
      }
    }),
  );
  const side = unet?.sample_size;
  const blocks = vae?.block_out_channels;
  if (typeof side !== "number" || !Array.isArray(blocks)) {
    throw new DiffusionError(
      `The diffusion model in ${folder} does not say its image size: unet/config.json needs sample_size, vae/config.json block_out_channels. Use a model of the Stable Diffusion 1.x or 2.x layout.`,
    );
  }
  return side * 2 ** (blocks.length - 1);
}

/** The same as a finding for `penumbra doctor`. */
export async function checkModel(
  name: string,
  base: string,
): Promise<{ ok: boolean; finding: string; model?: ModelFolder }> {
  try {
    const model = await findModel(name, base);
    const { folder, bytes, hash } = model;
    return {
      ok: true,
      model,
      finding: `${name} in ${folder} (${Math.round(bytes / 2 ** 20)} MiB, ${hash.slice(0, 12)})`,
    };
  } catch (error) {
    return { ok: false, finding: (error as Error).message };
  }
}

interface PartFile {
  /** Relative to the model's folder. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
}

/** Every file that decides what the model draws, by path; pictures and model cards do not. */
async function filesOf(folder: string): Promise<PartFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((path) => path === "model_index.json" || PARTS.some((part) => path.startsWith(`${part}/`)))
    .filter((path) => /\.(json|txt|safetensors)$/.test(path))
    .sort();
  return Promise.all(paths.map(async (path) => ({ path, size: (await stat(join(folder, path))).size })));
}
