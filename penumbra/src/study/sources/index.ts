/** Sources: where the images come from that arms take as positives and negatives beside real photos. */

export { FolderSection, folderSource } from "./folder.ts";
export { trainingSettings } from "./generated.ts";
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
  countTrained,
  isNeeded,
  needsJudges,
  recipesIn,
  type SourceName,
  type SourceTable,
  sourceOf,
  sources,
  withSifted,
} from "./sources.ts";
