import type { nn, Precision } from "@penumbra/torch";
import type { NegativeUse } from "../losses/negative-uses.ts";
import type { LossSettings } from "../losses/objective.ts";
import type { Collapse } from "../losses/plateau.ts";
import type { Encoder } from "./encoder.ts";
import type { Evaluation } from "./kept-weights.ts";

/** What a training leaves. */
export interface TrainedEncoder {
  /** In evaluation mode, on the device it was trained on. */
  readonly encoder: Encoder;
  /** What the loss saw the features through: a projection, or for cross-entropy the class logits. */
  readonly head: nn.Module;
  /** Its name in the table of objectives; null where nothing was trained. */
  readonly objective: string | null;
  readonly loss: LossSettings;
  readonly classes: number;
  /** What negatives were used as; null without negatives. */
  readonly use: NegativeUse | null;
  /** Loss of every step. */
  readonly losses: readonly number[];
  /** What every look at training and validation photos found; empty where there was none. */
  readonly evaluations: readonly Evaluation[];
  /** Steps after which the weights were as they are. */
  readonly keptStep: number;
  /** Set when the loss ended where an encoder that has learned nothing stands. */
  readonly collapse: Collapse | null;
  /** What was computed in, and why. */
  readonly precision: Precision;
}
