import { noGrad, type Tensor } from "@penumbra/torch";
import type { Compute } from "../../models/index.ts";
import { objectiveOf } from "../losses/objectives.ts";
import type { TrainOptions } from "./train-options.ts";

/** Logits of the known classes, float32 [N, C], of images [N, 3, H, W] in 0..1; no gradient goes through it. */
export type Teacher = (pixels: Tensor) => Tensor;

/** The classifier of a training's teacher; null where it has none. */
export function teacherOf({ teacher, objectives }: TrainOptions, compute: Compute): Teacher | null {
  if (!teacher || teacher.objective === null) return null;
  const { encoder, head, classes, loss } = teacher;
  const objective = objectiveOf(teacher.objective, objectives);
  return (pixels) =>
    noGrad(() => {
      const outputs = compute(() => head.forward(encoder.forward(pixels))).to("float32");
      return objective.logitsOf?.(outputs, { classes }, loss) ?? outputs;
    });
}
