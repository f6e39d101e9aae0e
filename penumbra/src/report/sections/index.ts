/** The sections of the page, from top to bottom. */

import { answer } from "./answer.ts";
import { arms } from "./arms.ts";
import { audit } from "./audit.ts";
import { augmentation } from "./augmentation.ts";
import { choices } from "./choices.ts";
import { curves } from "./curves.ts";
import { detectors } from "./detectors.ts";
import { hypotheses } from "./hypotheses.ts";
import { learning } from "./learning.ts";
import { map } from "./map.ts";
import { methods } from "./methods.ts";
import { mistakes } from "./mistakes.ts";
import { recipes } from "./recipes.ts";
import { run } from "./run.ts";
import { scores } from "./scores.ts";
import type { Section } from "./section.ts";
import { sheet } from "./sheet.ts";
import { sifted } from "./sifted.ts";

export const SECTIONS: readonly Section[] = [
  answer,
  hypotheses,
  arms,
  learning,
  sheet,
  sifted,
  audit,
  recipes,
  detectors,
  choices,
  scores,
  map,
  mistakes,
  augmentation,
  curves,
  methods,
  run,
];

export { describeAnswer, differenceLimit } from "./answer.ts";
export { headline } from "./headline.ts";
export { methodsParagraph } from "./methods.ts";
export type { ImageSource, Section } from "./section.ts";
