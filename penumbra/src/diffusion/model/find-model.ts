import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { safetensors } from "@penumbra/torch";
import { type HubFile, locate } from "../../hub/index.ts";
import { weightsFileIn, weightsParts, weightsPartsAmong } from "../../models/index.ts";
import { requireOwnWay } from "./distilled.ts";
import { DiffusionError } from "./errors.ts";
import { firstNonFinite } from "./finite-weights.ts";
import { imageSizeOf } from "./image-size.ts";
import type { Lora } from "./lora.ts";
import { missingParts, NETWORKS, otherKind, otherKindAmong, usedPaths } from "./model-files.ts";
import { parseSchedulerConfig, type SchedulerConfig } from "./noise-schedule.ts";
import { UNET_PREFIX } from "./original-names.ts";
import type { Prediction } from "./single-file.ts";
import { openModel } from "./stored-model.ts";

/** A diffusion model, whole as far as its files tell. */
export interface FoundModel {
  /** As in the configuration. */
  readonly name: string;
  /** A folder in the diffusers layout, or a single-file checkpoint. */
  readonly path: string;
  /** Another autoencoder than the model's own; null = its own. */
  readonly vae: string | null;
  readonly loras: readonly Lora[];
  readonly bytes: number;
  /** Side of the square images that it was made for, or that were asked for, in pixels. */
  readonly imageSize: number;
  /** Weights of the UNet, which most of the time of drawing goes with. */
  readonly denoiserParameters: number;
  readonly schedulerConfig: SchedulerConfig;
  /**
   * SHA-256 over the names and contents of the files that are used, LoRAs' weights, and a size that is not the model's
   * own.
   */
  readonly hash: string;
}

/** Penumbra's own small model, beside the package's sources. */
const MINI_FOLDER = fileURLToPath(new URL("../../../mini", import.meta.url));
const MINI_NAME = "penumbra-mini";

export interface FindModelOptions {
  /** What paths are relative to. */
  readonly base: string;
  /** Another autoencoder: a folder or a file, or a name on the hub. */
  readonly vae?: string | undefined;
  /** Files with low-rank changes, or names on the hub, and how much of each is added. */
  readonly loras?: readonly Lora[];
  /** The guidance that it is to be drawn with: refused where the model was made for none. */
  readonly guidanceScale?: number | undefined;
  /** The most steps that an image is to take: refused where the model was made for few. */
  readonly steps?: number | undefined;
  /** What a single file of Stable Diffusion 2.x predicts, where it does not say it. */
  readonly prediction?: Prediction | undefined;
  /** Side of the images in pixels, instead of the one that the model was made for. */
  readonly imageSize?: number | undefined;
  /** Told what is about to be downloaded. */
  readonly onNote?: (text: string) => void;
  readonly onProgress?: (doneMiB: number, totalMiB: number) => void;
}

/**
 * Finds the model that a configuration names: a folder in the diffusers layout, a single-file checkpoint, or a name on
 * the Hugging Face hub (`hf:owner/name`), which is downloaded. Checks that it is whole: every part there, every weights
 * file as long as its header says.
 *
 * @throws DiffusionError for a model that is missing, damaged or of another kind
 * @throws HubError where the hub refuses or cannot be reached
 */
export async function findModel(
  name: string,
  {
    base,
    vae,
    loras = [],
    guidanceScale,
    steps,
    prediction,
    imageSize,
    onNote,
    onProgress,
  }: FindModelOptions,
): Promise<FoundModel> {
  requireOwnWay(name, { guidanceScale, steps });
  const place = (what: string, choose: (files: readonly HubFile[]) => readonly string[]) =>
    locate(what, { base, choose, onNote, onProgress });
  const path = name === MINI_NAME ? MINI_FOLDER : await place(name, (files) => modelFiles(name, files));
  const parts = await partsOf(path, name);
  const vaePath = vae === undefined ? null : await place(vae, (files) => vaeFiles(vae, files));
  const vaeParts = vaePath === null ? [] : await vaePartsOf(vaePath);
  const found: Lora[] = [];
  for (const { file, weight } of loras) {
    const there = await place(file, (files) => loraFiles(file, files));
    found.push({ file: await loraFileAt(there), weight });
  }
  const loraParts = await Promise.all(found.map(({ file, weight }) => partFile(`LoRA ${weight}`, file)));
  const files = [...parts, ...vaeParts, ...loraParts];
  checkHeaders(files);
  await checkFinite(files);
  // Opened after its files were checked: configurations, and of a single file what its header says.
  const {
    unet,
    vae: autoencoder,
    scheduler,
  } = openModel(path, {
    vae: vaePath ?? undefined,
    prediction,
  });
  const levels = autoencoder.config.block_out_channels;
  const own = imageSizeOf(unet.config, 2 ** ((Array.isArray(levels) ? levels.length : 1) - 1));
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const hash = await hashFiles(files, (done) =>
    onProgress?.(Math.round(done / 2 ** 20), Math.round(bytes / 2 ** 20)),
  );
  return {
    ...{ name, path, vae: vaePath, loras: found, bytes },
    hash: imageSize === undefined || imageSize === own ? hash : sha256(`${hash} ${imageSize}`),
    imageSize: imageSize ?? own,
    denoiserParameters: parametersIn(parts),
    schedulerConfig: parseSchedulerConfig(scheduler, path),
  };
}

/** Of a repository on the hub: the files of the diffusers layout, each network's weights in one form. */
function modelFiles(name: string, files: readonly HubFile[]): readonly string[] {
  const paths = files.map(({ path }) => path);
  const kind = otherKindAmong(paths);
  if (kind) throw otherKind(name, kind);
  const missing = missingParts(paths);
  if (missing.length === 0) return usedPaths(paths);
  const single = paths.find((path) => /^[^/]+\.(safetensors|ckpt)$/.test(path));
  throw new DiffusionError(
    `${name} is no diffusion model in the diffusers layout: it lacks ${missing.join(", ")}. ${single ? `It has checkpoints in one file: name one, as in ${name}/${single}.` : remedyFor(name)}`,
  );
}

/** Of a repository: an autoencoder's configuration and weights. */
function vaeFiles(name: string, files: readonly HubFile[]): readonly string[] {
  const names = files.map(({ path }) => path).filter((path) => !path.includes("/"));
  const parts = weightsPartsAmong(names);
  if (parts.length > 0 && names.includes("config.json")) return ["config.json", ...parts];
  throw new DiffusionError(
    `${name} is no autoencoder in the diffusers layout (config.json and its weights). Name its folder, as in ${name}/vae, or one of its files.`,
  );
}

function loraFiles(name: string, files: readonly HubFile[]): readonly string[] {
  const names = files.map(({ path }) => path).filter((path) => /^[^/]+\.safetensors$/.test(path));
  if (names.length === 1) return names;
  throw new DiffusionError(
    `${name} has ${names.length} .safetensors files${names.length > 0 ? `: ${names.join(", ")}` : ""}. Name the one that is the LoRA, as in ${name}/${names[0] ?? "FILE.safetensors"}.`,
  );
}

function remedyFor(name: string): string {
  return name === MINI_NAME
    ? "Install the package again, or name another model in the configuration: model: FOLDER"
    : `Set "model" to a folder in the diffusers layout (as stable-diffusion-v1-5 has it), to a checkpoint file (.safetensors), to a name on the Hugging Face hub such as hf:owner/name, or to ${MINI_NAME}.`;
}

interface PartFile {
  /** What it is to the model: its path in the folder, whatever the folder is called. */
  readonly label: string;
  readonly file: string;
  /** In bytes. */
  readonly size: number;
}

async function partFile(label: string, file: string): Promise<PartFile> {
  return { label, file, size: (await stat(file)).size };
}

/** @throws DiffusionError naming the tensor with a weight that is no number, which would end in black images */
async function checkFinite(files: readonly PartFile[]): Promise<void> {
  for (const { label, file } of files.filter(isSafetensors)) {
    const name = await firstNonFinite(file);
    if (name === undefined) continue;
    throw new DiffusionError(
      `The diffusion model is damaged (${file}): the tensor "${name}" in ${label} has weights that are infinite or not a number. Copy or download the model again; if you trained it, its training diverged.`,
    );
  }
}

/** @throws DiffusionError for files that are cut off or no safetensors at all */
function checkHeaders(files: readonly PartFile[]): void {
  for (const { file } of files.filter(isSafetensors)) {
    try {
      safetensors.readHeader(file);
    } catch (cause) {
      throw new DiffusionError(
        `The diffusion model is damaged. ${(cause as Error).message} Copy or download the model again.`,
        { cause },
      );
    }
  }
}

function isSafetensors({ file }: PartFile): boolean {
  return file.toLowerCase().endsWith(".safetensors");
}

const CHECKPOINT = /\.(safetensors|ckpt|pt|pth)$/i;

/** The files that are used of a model of which every part is there. */
async function partsOf(path: string, name: string): Promise<readonly PartFile[]> {
  if (!existsSync(path))
    throw new DiffusionError(
      `The diffusion model ${name} is not there: ${path} does not exist. ${remedyFor(name)}`,
    );
  if ((await stat(path)).isFile()) {
    if (CHECKPOINT.test(path)) return [await partFile("checkpoint", path)];
    throw new DiffusionError(
      `The diffusion model ${path} is a file of another kind. Give a folder in the diffusers layout, or a checkpoint (.safetensors, .ckpt).`,
    );
  }
  const paths = await pathsIn(path);
  const kind = otherKindAmong(paths);
  if (kind) throw otherKind(path, kind);
  const missing = missingParts(paths);
  if (missing.length > 0)
    throw new DiffusionError(
      `The diffusion model in ${path} lacks ${missing.join(", ")}. ${remedyFor(name)}`,
    );
  for (const part of NETWORKS) {
    const weights = weightsFileIn(join(path, part));
    if (weights !== undefined) weightsParts(weights);
    else
      throw new DiffusionError(
        `The diffusion model in ${path} has no weights in ${part}: a .safetensors or .bin file of the usual name is needed there. ${remedyFor(name)}`,
      );
  }
  return Promise.all([...usedPaths(paths)].sort().map((label) => partFile(label, join(path, label))));
}

async function vaePartsOf(path: string): Promise<readonly PartFile[]> {
  if (!existsSync(path))
    throw new DiffusionError(`There is no autoencoder at ${path}. Set "vae" to a folder or a file of one.`);
  if ((await stat(path)).isFile()) return [await partFile("vae of its own", path)];
  const weights = weightsFileIn(path);
  const files = [join(path, "config.json"), ...(weights === undefined ? [] : weightsParts(weights))];
  if (files.length > 1 && files.every((file) => existsSync(file)))
    return Promise.all(files.map((file) => partFile(`vae of its own/${basename(file)}`, file)));
  throw new DiffusionError(
    `${path} is no autoencoder in the diffusers layout (config.json and its weights). Name the folder that has them, or a file.`,
  );
}

/** The file itself, or the one .safetensors of a folder: what a repository of a LoRA holds. */
async function loraFileAt(path: string): Promise<string> {
  if (!existsSync(path))
    throw new DiffusionError(`There is no LoRA at ${path}. Set "loras" to files that are there.`);
  if (!(await stat(path)).isDirectory()) return path;
  const files = (await pathsIn(path)).map((each) => ({ path: each, size: 0 }));
  return join(path, loraFiles(path, files)[0]!);
}

/** All paths below a folder, relative to it. */
async function pathsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));
}

/** By the headers of safetensors; a pickle's by its length, as if of float32. */
function parametersIn(parts: readonly PartFile[]): number {
  const single = parts.find(({ label }) => label === "checkpoint");
  const own = single ? [single] : parts.filter(({ label }) => label.startsWith("unet/"));
  const safe = own.filter(isSafetensors);
  if (safe.length === 0)
    return own.filter(({ file }) => !file.endsWith(".json")).reduce((sum, { size }) => sum + size, 0) / 4;
  const entries = safe.flatMap(({ file }) => safetensors.readHeader(file).tensors);
  const counted = single ? entries.filter(({ name }) => name.startsWith(UNET_PREFIX)) : entries;
  return counted.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
}

/** SHA-256 over labels, lengths and contents; `onProgress` is told the bytes read so far. */
async function hashFiles(files: readonly PartFile[], onProgress: (done: number) => void): Promise<string> {
  const hash = createHash("sha256");
  let done = 0;
  for (const { label, file, size } of files) {
    hash.update(`${label}\0${size}\0`);
    await pipeline(createReadStream(file), async (stream) => {
      for await (const chunk of stream) hash.update(chunk as Uint8Array);
    });
    done += size;
    onProgress(done);
  }
  return hash.digest("hex");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The same as a finding for `penumbra doctor`. */
export async function checkModel(
  name: string,
  options: FindModelOptions,
): Promise<{ ok: boolean; finding: string; model?: FoundModel }> {
  try {
    const model = await findModel(name, options);
    const { path, bytes, hash } = model;
    return {
      ok: true,
      model,
      finding: `${name} in ${path} (${Math.round(bytes / 2 ** 20)} MiB, ${hash.slice(0, 12)})`,
    };
  } catch (error) {
    return { ok: false, finding: (error as Error).message };
  }
}
