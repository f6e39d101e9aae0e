import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { safetensors } from "@penumbra/torch";
import { type HubFile, locate } from "../../hub/index.ts";
import { readJson, weightsFileIn, weightsParts } from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";
import { firstNonFinite } from "./finite-weights.ts";
import { imageSizeOf } from "./image-size.ts";
import { missingParts, NETWORKS, otherKind, otherKindAmong, usedPaths } from "./model-files.ts";

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
  /** SHA-256 over the paths and contents of the files that are used, and over a size that is not the model's own. */
  readonly hash: string;
}

/** Penumbra's own small model, beside the package's sources. */
const MINI_FOLDER = fileURLToPath(new URL("../../../mini", import.meta.url));
const MINI_NAME = "penumbra-mini";

export interface FindModelOptions {
  /** What paths are relative to. */
  readonly base: string;
  /** Side of the images in pixels, instead of the one that the model was made for. */
  readonly imageSize?: number | undefined;
  /** Told what is about to be downloaded. */
  readonly onNote?: (text: string) => void;
  readonly onProgress?: (doneMiB: number, totalMiB: number) => void;
}

/**
 * Finds the model that a configuration names, a folder or a name on the Hugging Face hub (`hf:owner/name`), which is
 * downloaded, and checks that it is whole: every part there, every weights file as long as its header says.
 *
 * @throws DiffusionError for a model that is missing, damaged or of another kind
 * @throws HubError where the hub refuses or cannot be reached
 */
export async function findModel(
  name: string,
  { base, imageSize, onNote, onProgress }: FindModelOptions,
): Promise<ModelFolder> {
  const choose = (files: readonly HubFile[]) => publishedFiles(name, files);
  const folder = name === MINI_NAME ? MINI_FOLDER : await locate(name, { base, choose, onNote, onProgress });
  const files = await partsOf(folder, name);
  checkWeights(folder, files, remedyFor(name));
  await checkFinite(folder, files);
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const hash = await hashFiles(folder, files, (done) =>
    onProgress?.(Math.round(done / 2 ** 20), Math.round(bytes / 2 ** 20)),
  );
  const own = ownImageSize(folder);
  return {
    ...{ name, folder, bytes },
    hash: imageSize === undefined || imageSize === own ? hash : sha256(`${hash} ${imageSize}`),
    imageSize: imageSize ?? own,
    denoiserParameters: parametersIn(folder, files),
  };
}

/** Of a repository on the hub: the files of the diffusers layout, each network's weights in one form. */
function publishedFiles(name: string, files: readonly HubFile[]): readonly string[] {
  const paths = files.map(({ path }) => path);
  const kind = otherKindAmong(paths);
  if (kind) throw otherKind(name, kind);
  const missing = missingParts(paths);
  if (missing.length === 0) return usedPaths(paths);
  throw new DiffusionError(
    `${name} is no diffusion model in the diffusers layout: it lacks ${missing.join(", ")}. ${remedyFor(name)}`,
  );
}

function remedyFor(name: string): string {
  return name === MINI_NAME
    ? "Install the package again, or name another model in the configuration: model: FOLDER"
    : `Set "model" to a folder in the diffusers layout (as stable-diffusion-v1-5 has it), to a name on the Hugging Face hub such as hf:owner/name, or to ${MINI_NAME}.`;
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

/** The files that are used of a model of which every part is there, by path. */
async function partsOf(folder: string, name: string): Promise<readonly PartFile[]> {
  if (!existsSync(folder))
    throw new DiffusionError(
      `The diffusion model ${name} is not there: ${folder} does not exist. ${remedyFor(name)}`,
    );
  if ((await stat(folder)).isFile()) throw singleFile(folder);
  const paths = await pathsIn(folder);
  const missing = missingParts(paths);
  if (missing.length === 0) {
    const used = [...usedPaths(paths)].sort();
    return Promise.all(used.map(async (path) => ({ path, size: (await stat(join(folder, path))).size })));
  }
  const kind = otherKindAmong(paths);
  if (kind) throw otherKind(folder, kind);
  throw new DiffusionError(
    `The diffusion model in ${folder} lacks ${missing.join(", ")}. ${remedyFor(name)}`,
  );
}

/** All paths below a folder, relative to it. */
async function pathsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));
}

/** By the headers of safetensors; a pickle's by its length, as if of float32. */
function parametersIn(folder: string, files: readonly PartFile[]): number {
  const own = files.filter(({ path }) => path.startsWith("unet/") && path.endsWith(".safetensors"));
  if (own.length === 0) {
    const pickles = files.filter(({ path }) => path.startsWith("unet/") && path.endsWith(".bin"));
    return pickles.reduce((sum, { size }) => sum + size, 0) / 4;
  }
  const shapes = own.flatMap(({ path }) => safetensors.readHeader(join(folder, path)).tensors);
  return shapes.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

function checkWeights(folder: string, files: readonly PartFile[], remedy: string): void {
  for (const part of NETWORKS) {
    const weights = weightsFileIn(join(folder, part));
    if (weights === undefined) {
      throw new DiffusionError(
        `The diffusion model in ${folder} has no weights in ${part}: a .safetensors or .bin file of the usual name is needed there. ${remedy}`,
      );
    }
    weightsParts(weights);
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

function ownImageSize(folder: string): number {
  const [unet, vae] = ["unet", "vae"].map((part) => readJson(join(folder, part, "config.json")));
  const { block_out_channels: blocks } = vae!;
  return imageSizeOf(unet!, 2 ** ((Array.isArray(blocks) ? blocks.length : 1) - 1));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The same as a finding for `penumbra doctor`. */
export async function checkModel(
  name: string,
  options: FindModelOptions,
): Promise<{ ok: boolean; finding: string; model?: ModelFolder }> {
  try {
    const model = await findModel(name, options);
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
