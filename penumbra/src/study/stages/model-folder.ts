import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { safetensors } from "@penumbra/torch";

/** Thrown for a diffusion model that is missing or damaged; the message says what to do. */
export class ModelFolderError extends Error {
  override readonly name = "ModelFolderError";
}

/** A diffusion model in the diffusers layout, whole as far as its files tell. */
export interface ModelFolder {
  /** As in the configuration. */
  readonly name: string;
  readonly folder: string;
  readonly bytes: number;
  /** Side of the square images that it was made for, in pixels. */
  readonly imageSize: number;
  /** SHA-256 over the paths and contents of all weights, configurations and tokenizer files. */
  readonly hash: string;
}

/** Penumbra's own small model, beside the package's sources. */
const miniFolder = fileURLToPath(new URL("../../../mini", import.meta.url));

const parts = ["scheduler", "text_encoder", "tokenizer", "unet", "vae"] as const;
const weights = ["text_encoder", "unet", "vae"] as const;

/**
 * Finds the model that a configuration names, relative to `base`, and checks that it is whole: every part there, every
 * weights file as long as its header says.
 *
 * Throws ModelFolderError.
 */
export async function findModel(
  name: string,
  base: string,
  onProgress?: (done: number, total: number) => void,
): Promise<ModelFolder> {
  const folder = name === "penumbra-mini" ? miniFolder : resolve(base, name);
  const remedy =
    name === "penumbra-mini"
      ? "Install the package again, or name another model in the configuration: model: FOLDER"
      : 'Set "model" to a folder in the diffusers layout (as stable-diffusion-v1-5 has it), or to penumbra-mini.';
  if (!existsSync(folder))
    throw new ModelFolderError(
      `The diffusion model ${name} is not there: ${folder} does not exist. ${remedy}`,
    );
  const missing = ["model_index.json", ...parts].filter((part) => !existsSync(join(folder, part)));
  if (missing.length > 0) {
    throw new ModelFolderError(`The diffusion model in ${folder} lacks ${missing.join(", ")}. ${remedy}`);
  }
  const files = await filesOf(folder);
  for (const part of weights) {
    const own = files.filter(({ path }) => path.startsWith(`${part}/`) && path.endsWith(".safetensors"));
    if (own.length === 0) {
      throw new ModelFolderError(
        `The diffusion model in ${folder} has no weights in ${part}: a .safetensors file is needed there. ${remedy}`,
      );
    }
    for (const { path } of own) {
      try {
        safetensors.readHeader(join(folder, path));
      } catch (error) {
        throw new ModelFolderError(
          `The diffusion model in ${folder} is damaged. ${(error as Error).message} Copy or download the model again.`,
        );
      }
    }
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const hash = createHash("sha256");
  let done = 0;
  for (const { path, size } of files) {
    hash.update(`${path}\0${size}\0`);
    await pipeline(createReadStream(join(folder, path)), async (stream) => {
      for await (const chunk of stream) hash.update(chunk as Uint8Array);
    });
    done += size;
    onProgress?.(Math.round(done / 2 ** 20), Math.round(bytes / 2 ** 20));
  }
  return { name, folder, bytes, imageSize: await imageSizeOf(folder), hash: hash.digest("hex") };
}

/** Latent side of the UNet times the autoencoder's down-sampling, 2^(blocks - 1). */
async function imageSizeOf(folder: string): Promise<number> {
  const [unet, vae] = await Promise.all(
    ["unet", "vae"].map(async (part) => {
      const path = join(folder, part, "config.json");
      try {
        return JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
      } catch (error) {
        throw new ModelFolderError(
          `The diffusion model in ${folder} is damaged: ${path} cannot be read (${(error as Error).message}). Copy or download the model again.`,
        );
      }
    }),
  );
  const side = unet?.sample_size;
  const blocks = vae?.block_out_channels;
  if (typeof side !== "number" || !Array.isArray(blocks)) {
    throw new ModelFolderError(
      `The diffusion model in ${folder} does not say its image size: unet/config.json needs sample_size, vae/config.json block_out_channels. Use a model of the Stable Diffusion 1.x or 2.x layout.`,
    );
  }
  return side * 2 ** (blocks.length - 1);
}

/** The same as a finding for `penumbra doctor`. */
export async function checkModel(name: string, base: string): Promise<{ ok: boolean; finding: string }> {
  try {
    const { folder, bytes, hash } = await findModel(name, base);
    return {
      ok: true,
      finding: `${name} in ${folder} (${Math.round(bytes / 2 ** 20)} MiB, ${hash.slice(0, 12)})`,
    };
  } catch (error) {
    return { ok: false, finding: (error as Error).message };
  }
}

/** Every file that decides what the model draws, by path; pictures and model cards do not. */
async function filesOf(folder: string): Promise<{ readonly path: string; readonly size: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((path) => path === "model_index.json" || parts.some((part) => path.startsWith(`${part}/`)))
    .filter((path) => /\.(json|txt|safetensors)$/.test(path))
    .sort();
  return Promise.all(paths.map(async (path) => ({ path, size: (await stat(join(folder, path))).size })));
}
