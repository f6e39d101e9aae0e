import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { nn, safetensors, type Tensor } from "@penumbra/torch";
import { z } from "zod";
import { writeFileAtomic } from "../../files/index.ts";
import { GeneratorError } from "../errors.ts";

/** In the folder of every model that learned from photos: what it is. */
const DESCRIPTION = "generator.json";

const Description = z.object({
  generator: z.string(),
  classes: z.array(z.string()).nonempty(),
  settings: z.record(z.string(), z.unknown()),
});
export type PhotoModelDescription = z.output<typeof Description>;

export function writeDescription(folder: string, description: PhotoModelDescription): Promise<void> {
  return writeFileAtomic(join(folder, DESCRIPTION), `${JSON.stringify(description, null, 2)}\n`);
}

/** @throws GeneratorError where the folder holds no model of the generator */
export function readDescription(folder: string, generator?: string): PhotoModelDescription {
  const path = join(folder, DESCRIPTION);
  if (!existsSync(path))
    throw new GeneratorError(
      `"${folder}" has no ${DESCRIPTION}: it is no finished model of a generator. Pass the folder that a finished training wrote.`,
    );
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new GeneratorError(`${path} is no JSON. Train the model again.`, { cause });
  }
  const parsed = Description.safeParse(raw);
  if (!parsed.success) {
    const fields = parsed.error.issues.map(({ path: at, message }) => `"${at.join(".")}": ${message}`);
    throw new GeneratorError(`${path}: ${fields.join("; ")}. Train the model again.`);
  }
  if (generator !== undefined && parsed.data.generator !== generator) {
    throw new GeneratorError(
      `"${folder}" holds a model of the generator "${parsed.data.generator}", not "${generator}". Pass the folder of such a model.`,
    );
  }
  return parsed.data;
}

/** Tables whose rows belong to classes. */
const OF_CLASSES = /(^|\.)(class_embedding|class_embeddings)\./;

/**
 * Puts a finished model's weights into a network that is to learn on. Tables of classes are taken only where both
 * know the same ones: other classes are learned anew on what the network knows of images.
 *
 * @throws GeneratorError where anything else has another shape
 */
export function adoptWeights(
  network: nn.AnyModule,
  given: Readonly<Record<string, Tensor>>,
  options: { readonly isSameClasses: boolean; readonly from: string },
): void {
  const isKept = (key: string) => OF_CLASSES.test(key) && !options.isSameClasses;
  const taken = Object.entries(given).filter(([key]) => !isKept(key));
  const own = Object.entries(network.stateDict()).filter(([key]) => isKept(key));
  const state = Object.fromEntries([...taken, ...own]);
  try {
    network.loadStateDict(state);
  } catch (cause) {
    if (!(cause instanceof nn.StateDictError)) throw cause;
    throw new GeneratorError(
      `The model in "${options.from}" has other sizes than these settings. Go on from a model of the same settings, or train from scratch.\n${cause.message}`,
      { cause },
    );
  }
}

/** Reads the tensors of a model's file. @throws GeneratorError where it is missing */
export function readTensors(folder: string, file: string): Record<string, Tensor> {
  const path = join(folder, file);
  if (!existsSync(path)) throw new GeneratorError(`${path} is missing. Train the model again.`);
  return safetensors.read(path).tensors;
}

/** Weights and configurations. */
const HASHED = /\.(json|safetensors|bin)$/;

/** SHA-256 over the weights and configurations of a model's folder. */
export function folderHash(folder: string): string {
  const hash = createHash("sha256");
  const walk = (path: string, name: string): void => {
    for (const entry of readdirSync(path).sort()) {
      const inner = join(path, entry);
      if (statSync(inner).isDirectory()) walk(inner, `${name}${entry}/`);
      else if (HASHED.test(entry) && entry !== "training.json")
        hash.update(`${name}${entry}\0`).update(fileHash(inner));
    }
  };
  walk(folder, "");
  return hash.digest("hex");
}

/** Bytes of a file that are read at once: published weights are larger than what Node reads as one. */
const READ_AT_ONCE = 2 ** 24;

function fileHash(path: string): Buffer {
  const hash = createHash("sha256");
  const bytes = Buffer.allocUnsafe(Math.min(READ_AT_ONCE, Math.max(1, statSync(path).size)));
  const file = openSync(path, "r");
  try {
    for (let count = readSync(file, bytes); count > 0; count = readSync(file, bytes))
      hash.update(bytes.subarray(0, count));
  } finally {
    closeSync(file);
  }
  return hash.digest();
}
