/** Sources: where the images come from that arms take as positives and negatives beside real photos. */

export { FolderSection, folderSource } from "./folder.ts";
export { generatorSource, ownSectionOf, photoGenerators, trainingSettings } from "./generated.ts";
export { cutMix, jigsaw, type SquareImages } from "./mixing.ts";
export { mostSteps, sourceOfRecipe } from "./redraws.ts";
export {
  defineSource,
  type ImageRequest,
  type ImageSource,
  type SourceNeed,
  type SourceRecipe,
  type SourceTraining,
  type SourceWork,
} from "./source.ts";
export {
  countBrought,
  isNeeded,
  needsJudges,
  recipesIn,
  type SourceName,
  type SourceTable,
  sourceOf,
  sources,
  trainingsOf,
  withSifted,
} from "./sources.ts";
export { withoutGenerator } from "./without-generator.ts";
