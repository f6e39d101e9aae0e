import { safetensors } from "@penumbra/torch";
import { UnknownsError } from "../errors.ts";
import type { Detector, FittedDetector } from "./detector.ts";

/**
 * Writes a fitted detector: its tensors as safetensors, its name and numbers in the file's metadata.
 *
 * @param path such as `detector.safetensors`
 * @param name its name in the table that it is loaded by
 * @example writeDetector("knn.safetensors", "knn", detectors.knn.fit({ features }, { k: 5 }));
 */
export function writeDetector(path: string, name: string, { state }: FittedDetector): void {
  safetensors.write(path, state.tensors, { detector: name, numbers: JSON.stringify(state.numbers) });
}

/**
 * Reads a detector that scores, to the bit, as the one that was written.
 *
 * @param table the detectors that it may be one of
 * @throws UnknownsError for a file that holds no detector, or one that is not in the table
 */
export function readDetector(
  path: string,
  table: Readonly<Record<string, Detector>>,
): { readonly name: string; readonly detector: FittedDetector } {
  const { tensors, metadata } = safetensors.read(path);
  const { detector: name, numbers } = metadata;
  if (name === undefined || numbers === undefined) {
    throw new UnknownsError(`${path} holds no detector. Pass a file that writeDetector made.`);
  }
  const detector = table[name];
  if (!detector) {
    throw new UnknownsError(
      `${path} holds the detector "${name}", which the table lacks. Pass a table that has it; known are ${Object.keys(table).join(", ")}.`,
    );
  }
  return {
    name,
    detector: detector.load({ tensors, numbers: JSON.parse(numbers) as Record<string, number> }),
  };
}
