/** Which files of a folder or a repository make up a model in the diffusers layout, by their paths. */
import { weightsPartsAmong } from "../../models/index.ts";
import { DiffusionError } from "./errors.ts";
import { tokenizerFilesAmong } from "./tokenizer-files.ts";

export const NETWORKS = ["text_encoder", "unet", "vae"] as const;
const SCHEDULER_FILE = "scheduler/scheduler_config.json";
const INDEX_FILE = "model_index.json";

/** The names of the files that lie in a folder itself. */
function namesIn(folder: string, paths: readonly string[]): string[] {
  const inside = paths
    .filter((path) => path.startsWith(`${folder}/`))
    .map((path) => path.slice(folder.length + 1));
  return inside.filter((name) => !name.includes("/"));
}

/**
 * The files that decide what the model draws, each network's weights in one form: other forms, precisions and parts
 * (safety checker, image encoder) are not read.
 */
export function usedPaths(paths: readonly string[]): readonly string[] {
  const inFolder = (folder: string, names: readonly string[]) => names.map((name) => `${folder}/${name}`);
  return [
    ...[INDEX_FILE, SCHEDULER_FILE].filter((path) => paths.includes(path)),
    ...inFolder("tokenizer", tokenizerFilesAmong(namesIn("tokenizer", paths))),
    ...NETWORKS.flatMap((network) => {
      const names = namesIn(network, paths);
      return inFolder(network, [
        ...names.filter((name) => name === "config.json"),
        ...weightsPartsAmong(names),
      ]);
    }),
  ];
}

/** Files and folders without which there is no model. */
export function missingParts(paths: readonly string[]): readonly string[] {
  const folders = ["text_encoder", "tokenizer", "unet", "vae"];
  return [
    ...[INDEX_FILE].filter((path) => !paths.includes(path)),
    ...[...folders, "scheduler"]
      .sort()
      .filter((folder) => !paths.some((path) => path.startsWith(`${folder}/`))),
  ];
}

/** What only models of other kinds have, the most telling first. */
const OTHER_KINDS: readonly (readonly [string, string])[] = [
  ["text_encoder_3/", "Stable Diffusion 3"],
  ["transformer/", "Flux or another diffusion transformer"],
  ["text_encoder_2/", "Stable Diffusion XL"],
  ["image_encoder/", "Stable unCLIP or image variations"],
  ["prior/", "unCLIP or Kandinsky"],
];

/** The kind of a model that is none of Stable Diffusion 1.x and 2.x, as far as its folders tell. */
export function otherKindAmong(paths: readonly string[]): string | undefined {
  if (!paths.includes(INDEX_FILE)) return undefined;
  return OTHER_KINDS.find(([folder]) => paths.some((path) => path.startsWith(folder)))?.[1];
}

/** Beginnings of pipelines' class names, for models of other kinds. */
const OTHER_PIPELINES: readonly (readonly [RegExp, string])[] = [
  [/^StableDiffusionXL/, "Stable Diffusion XL"],
  [/^StableDiffusion3/, "Stable Diffusion 3"],
  [/^Flux/, "Flux"],
  [/Inpaint/, "Stable Diffusion for inpainting"],
  [/Upscale/, "a Stable Diffusion upscaler"],
  [/Depth2Img/, "Stable Diffusion with depth"],
  [/InstructPix2Pix/, "InstructPix2Pix"],
  [/UnCLIP|ImageVariation/i, "Stable unCLIP or image variations"],
];

/** The kind of a pipeline ("_class_name" in model_index.json) that is not supported; undefined for the others. */
export function otherKindOf(pipeline: unknown): string | undefined {
  return OTHER_PIPELINES.find(([name]) => typeof pipeline === "string" && name.test(pipeline))?.[1];
}

/** What is said about a model of another kind. */
export function otherKind(name: string, kind: string): DiffusionError {
  return new DiffusionError(
    `${name} is a model of ${kind}, which is not supported. Use one of Stable Diffusion 1.x or 2.x (text to image, 4 latent channels).`,
  );
}
