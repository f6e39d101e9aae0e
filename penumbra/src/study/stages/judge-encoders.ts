import type { Split } from "../../data/index.ts";
import { foldsOf } from "../../sift/index.ts";
import { isFrozen } from "../arms/index.ts";
import type { Artifact } from "../store/index.ts";
import { armEncoder } from "./arm-encoder.ts";
import { labelOf, type StudyContext } from "./context.ts";

/**
 * Trains the judges of a seed, on real photos alone: one on all of them, which is the judging arm itself, or an encoder
 * for each fold on the photos of the others.
 */
export async function judgeEncoders(context: StudyContext, split: Split, seed: number): Promise<Artifact[]> {
  const { judge, folds } = context.config.sift;
  if (folds === 1 && !isFrozen(context, judge))
    return [await armEncoder(context, split, { arm: judge, seed })];
  const fold = foldsOf(split.train, folds);
  const encoders: Artifact[] = [];
  for (let held = 0; held <= Math.max(...fold); held++) {
    const others = { ...split, train: split.train.filter((_, photo) => fold[photo] !== held) };
    const label = labelOf(context, seed, `judge ${held + 1}`);
    encoders.push(await armEncoder(context, others, { arm: judge, seed, label }));
  }
  return encoders;
}
