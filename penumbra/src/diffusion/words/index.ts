/** Words: one for each class, learned from its photos by textual inversion. */

export type { ClassPhotos } from "./class-photos.ts";
export { inversionLoss, type LearnWordsOptions, learnWords } from "./inversion.ts";
export type { InversionBatch } from "./inversion-samples.ts";
export { fillTemplate, PLAIN_TEMPLATE, TEMPLATES } from "./templates.ts";
export { checkWords, loadWords, saveWords, type Word, type Words, wordOf, wordToken } from "./words.ts";
