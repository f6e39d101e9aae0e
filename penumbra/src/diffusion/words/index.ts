/** Words: one for each class, learned from its photos by textual inversion. */

export type { ClassPhotos } from "./class-photos.ts";
export {
  EMBEDDING_FORMATS,
  type EmbeddingFormat,
  readEmbeddings,
  writeEmbeddings,
} from "./embedding-files.ts";
export { asWord, checkDimensions, importWords } from "./imported.ts";
export {
  inversionLoss,
  type LearnedWords,
  type LearnWordsOptions,
  learnWords,
  WORDS_SCHEDULES,
  type WordsLook,
} from "./inversion.ts";
export type { InversionBatch } from "./inversion-samples.ts";
export { fillTemplate, PLAIN_TEMPLATE, TEMPLATES } from "./templates.ts";
export {
  checkWords,
  isWordsFile,
  loadWords,
  saveWords,
  type Word,
  type Words,
  wordOf,
  wordToken,
} from "./words.ts";
