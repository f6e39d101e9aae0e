import { readFile } from "node:fs/promises";
import { decodeWhole } from "../../images/index.ts";
import { DeployError } from "../classifier/index.ts";
import { readMetadata } from "./onnx/metadata.ts";
import { loadModel } from "./onnx-runtime.ts";
import { type ExportedVerdict, judgeExportedObject, viewsAsInput } from "./verify.ts";

/**
 * What an exported file says of objects, one after the other, with onnxruntime-node: the classifier's folder is not
 * needed.
 *
 * @param file as {@link exportOnnx} writes it
 * @param objects one photo each, or several photos (views) of one object
 * @throws DeployError where the package onnxruntime-node is not installed, and for a file that it refuses
 * @throws ImageError for a photo that cannot be read
 */
export async function judgeOnnx(
  file: string,
  objects: readonly (string | readonly string[])[],
): Promise<ExportedVerdict[]> {
  const bytes = await readFile(file);
  const { classes: names } = readMetadata(bytes);
  if (names === undefined)
    throw new DeployError(`${file} does not name its classes. Give a file that penumbra export has written.`);
  const classes = JSON.parse(names) as string[];
  const model = await loadModel(bytes);
  try {
    const verdicts: ExportedVerdict[] = [];
    for (const object of objects) {
      const views = await Promise.all([object].flat().map((photo) => decodeWhole(photo)));
      verdicts.push(await judgeExportedObject(model, await viewsAsInput(model, views), classes));
    }
    return verdicts;
  } finally {
    await model.release();
  }
}
