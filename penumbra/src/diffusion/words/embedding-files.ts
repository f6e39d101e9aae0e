import { basename, extname } from "node:path";
import { isTensor, keep, load, type Saved, safetensors, save, scope, type Tensor } from "@penumbra/torch";
import { DiffusionError, MOST_VECTORS, vectorsOf, type WordVector } from "../model/index.ts";

/**
 * How other programs keep words: diffusers' textual inversion (`learned_embeds.safetensors` or `.bin`: vectors by token)
 * and AUTOMATIC1111's web interface (one word a file, whose name is the word).
 */
export const EMBEDDING_FORMATS = ["diffusers", "diffusers-bin", "a1111", "a1111-pt"] as const;
export type EmbeddingFormat = (typeof EMBEDDING_FORMATS)[number];

/**
 * Reads the words of a file by diffusers or by AUTOMATIC1111, `.safetensors`, `.bin` or `.pt`; nothing in it is run.
 *
 * @returns float32 vectors [n, D] of each word; the caller owns them
 * @throws DiffusionError for a file that holds no words, or those of another kind of model
 * @throws SafetensorsError, PickleError for a damaged file, or one that holds more than data
 */
export function readEmbeddings(path: string): WordVector[] {
  return scope(() => {
    const isSafe = path.toLowerCase().endsWith(".safetensors");
    const words = isSafe ? ofTensors(path, safetensors.read(path).tensors) : ofSaved(path, load(path));
    if (words.length === 0) throw noWords(path, "it is empty");
    return words.map(({ token, vector }) => {
      if (!isTensor(vector) || vector.ndim < 1 || vector.ndim > 2)
        throw noWords(path, `"${token}" is no vector [D] and no vectors [n, D]`);
      const rows = (vector.ndim === 1 ? vector.unsqueeze(0) : vector).detach().to("float32").clone();
      if ((rows.shape[0] as number) > MOST_VECTORS)
        throw noWords(path, `"${token}" has ${rows.shape[0]} vectors, and ${MOST_VECTORS} are the most`);
      return { token, vector: keep(rows) };
    });
  });
}

function noWords(path: string, problem: string): DiffusionError {
  return new DiffusionError(
    `${path} holds no words that can be read: ${problem}. Give a learned_embeds file of diffusers or an embedding of AUTOMATIC1111's interface, for Stable Diffusion 1.x or 2.x.`,
  );
}

function nameOf(path: string): string {
  return basename(path, extname(path));
}

function ofTensors(path: string, tensors: Readonly<Record<string, Tensor>>): WordVector[] {
  if ("clip_g" in tensors || "clip_l" in tensors)
    throw noWords(path, "it is an embedding for Stable Diffusion XL");
  return Object.entries(tensors).map(([name, vector]) => ({
    token: name === "emb_params" ? nameOf(path) : name,
    vector,
  }));
}

type Dictionary = Readonly<Record<string, Saved>>;

function isDictionary(saved: Saved | undefined): saved is Dictionary {
  return typeof saved === "object" && saved !== null && !isTensor(saved) && !Array.isArray(saved);
}

function ofSaved(path: string, saved: Saved): WordVector[] {
  if (!isDictionary(saved)) throw noWords(path, "it is no dictionary");
  const params = saved.string_to_param;
  if (params === undefined)
    return Object.entries(saved).map(([token, vector]) => ({ token, vector: vector as Tensor }));
  if (!isDictionary(params)) throw noWords(path, '"string_to_param" is no dictionary');
  const [vector] = Object.values(params);
  const token = typeof saved.name === "string" ? saved.name : nameOf(path);
  return [{ token, vector: vector as Tensor }];
}

/** The id of "*" in CLIP's vocabulary, the token that AUTOMATIC1111's files stand in for. */
const STAR_ID = 265;

/**
 * Writes words as other programs read them: all into one file (diffusers), or each into one that is named for it
 * (AUTOMATIC1111: brackets cannot be in every system's file names, so they are left out).
 *
 * @returns the files
 */
export function writeEmbeddings(
  words: readonly WordVector[],
  folder: string,
  format: EmbeddingFormat,
): string[] {
  return scope(() => {
    const rows = words.map((word) => ({
      token: word.token,
      vector: word.vector
        .detach()
        .to("float32")
        .reshape([vectorsOf(word), -1])
        .contiguous(),
    }));
    if (format === "diffusers" || format === "diffusers-bin") {
      const all = Object.fromEntries(rows.map(({ token, vector }) => [token, vector]));
      const path = `${folder}/learned_embeds.${format === "diffusers" ? "safetensors" : "bin"}`;
      if (format === "diffusers") safetensors.write(path, all, { format: "pt" });
      else save(all, path);
      return [path];
    }
    return rows.map(({ token, vector }) => {
      const name = token.replace(/[<>]/g, "");
      const path = `${folder}/${name}.${format === "a1111" ? "safetensors" : "pt"}`;
      if (format === "a1111") safetensors.write(path, { emb_params: vector }, {});
      else
        save(
          {
            ...{ string_to_token: { "*": STAR_ID }, string_to_param: { "*": vector }, name },
            ...{ step: 0, sd_checkpoint: null, sd_checkpoint_name: null },
          },
          path,
        );
      return path;
    });
  });
}
