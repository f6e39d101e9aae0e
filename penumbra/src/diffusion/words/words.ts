import { keep, safetensors, type Tensor } from "@penumbra/torch";
import { DiffusionError, type WordVector } from "../model/index.ts";

/** The word of one class: how it is written in prompts, and its places in the text encoder's embedding table. */
export interface Word extends WordVector {
  readonly className: string;
}

/** One word for each class, and the model that they were learned with: no other model understands them. */
export interface Words {
  readonly words: readonly Word[];
  readonly modelHash: string;
}

/** How a class's word is written, for example "<pin_header>" for "Pin header"; brackets inside would end it early. */
export function wordToken(className: string): string {
  return `<${className
    .trim()
    .toLowerCase()
    .replace(/[\s<>|]+/g, "_")}>`;
}

/**
 * The word of a class.
 * @throws DiffusionError when the class has none: a prompt with an unknown word would be drawn without complaint
 */
export function wordOf({ words }: Words, className: string): Word {
  const found = words.find((word) => word.className === className);
  if (found) return found;
  const known = words.map((word) => word.className).join(", ");
  throw new DiffusionError(
    `There is no word for the class "${className}"; there are words for: ${known || "no class"}. Learn the words of all classes first.`,
  );
}

/**
 * Refuses words of another model.
 * @throws DiffusionError
 */
export function checkWords(words: Words, modelHash: string): void {
  if (words.modelHash === modelHash) return;
  throw new DiffusionError(
    `The words were learned with another model (${words.modelHash.slice(0, 12)}…, not ${modelHash.slice(0, 12)}…). Learn them again with this one.`,
  );
}

const FORMAT = "penumbra-words-1";

/** Writes words as one safetensors file, whole or not at all: a vector for each class, tokens and model in the metadata. */
export function saveWords({ words, modelHash }: Words, path: string): void {
  const tokens = Object.fromEntries(words.map(({ className, token }) => [className, token]));
  safetensors.write(path, Object.fromEntries(words.map(({ className, vector }) => [className, vector])), {
    format: FORMAT,
    modelHash,
    tokens: JSON.stringify(tokens),
  });
}

/** Whether a file is of `saveWords`. @throws safetensors' error when it is damaged */
export function isWordsFile(path: string): boolean {
  return (
    path.toLowerCase().endsWith(".safetensors") && safetensors.readHeader(path).metadata.format === FORMAT
  );
}

/**
 * Reads what `saveWords` wrote.
 * @throws DiffusionError when the file holds something else
 * @throws safetensors' error when it is missing or damaged
 */
export function loadWords(path: string): Words {
  const { tensors, metadata } = safetensors.read(path);
  if (metadata.format !== FORMAT) {
    throw new DiffusionError(
      `"${path}" holds no words of this project. Give the file that learning words wrote.`,
    );
  }
  if (metadata.tokens === undefined || metadata.modelHash === undefined)
    throw new DiffusionError(
      `"${path}" does not say which words it holds, or of which model. Learn them again.`,
    );
  const tokens = JSON.parse(metadata.tokens) as Record<string, string>;
  const words = Object.entries(tokens).map(([className, token]) => {
    const vector: Tensor | undefined = tensors[className];
    if (!vector)
      throw new DiffusionError(`"${path}" names the class "${className}", but holds no vector for it.`);
    return { className, token, vector: keep(vector) };
  });
  return { words, modelHash: metadata.modelHash };
}
