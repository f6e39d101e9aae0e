/** A finished study in the formats of tools that keep track of experiments. */
export { writeMlflow } from "./mlflow.ts";
export { LiveTensorBoard, type PngSource, writeTensorBoard } from "./tensorboard.ts";
