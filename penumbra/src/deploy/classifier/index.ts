/** The classifier: one folder, from which known classes are told, and unknown objects. */

export {
  type CalibrationObjects,
  flaggedShares,
  KnownScores,
  type KnownScoresState,
  viewSets,
} from "./calibration.ts";
export { type CardFacts, type ClassFigures, cardOf, type Licensed, writeCard } from "./card.ts";
export {
  type ChoiceForUse,
  type ChosenDetector,
  chooseDetectorForUse,
  type TriedDetector,
} from "./choose-detector.ts";
export {
  blockAverages,
  Classifier,
  type ClassifierParts,
  evidenceOf,
  type PhotoSource,
  type Preprocessing,
  type Reference,
  stackPhotos,
} from "./classifier.ts";
export {
  type ClassifierInfo,
  loadClassifier,
  type Provenance,
  readClassifierInfo,
  readProvenance,
  readUsedPhotos,
  type SavedClassifier,
  type SavedDetector,
  saveClassifier,
  type UsedPhoto,
} from "./classifier-files.ts";
export { DeployError } from "./errors.ts";
export {
  type Evaluated,
  evaluateClassifier,
  figuresOf,
  type JudgedPhoto,
  type LabelledVerdict,
  shareOf,
} from "./evaluate.ts";
export { type EvaluationAbout, evaluationReport } from "./evaluation-report.ts";
export { type ExplainOptions, type Explanation, explain } from "./explain.ts";
export {
  Gallery,
  type GalleryContent,
  type GalleryPhoto,
  loadGallery,
  type Neighbour,
} from "./gallery.ts";
export { keepUnknown } from "./kept-unknowns.ts";
export { type LookedAt, type LookOptions, lookAt } from "./look-at.ts";
export { looksAtPixels, networkOf, pixelScores } from "./pixel-scores.ts";
export { type Judged, type PhotoObject, type PredictOptions, predictEach } from "./predict-each.ts";
export { type SeenPhoto, seenPhotos } from "./seen.ts";
export { type ClassProbability, UNKNOWN, type Verdict, verdictName } from "./verdict.ts";
export {
  type ArrivedObject,
  type WatchAnswer,
  type WatchEntry,
  type WatchOptions,
  watchPhotos,
} from "./watch.ts";
