/** What was once called otherwise: an old name is refused with the new one. */

/** Settings by their dotted path of old; a section that was divided has several new ones. */
export const RENAMED_SETTINGS: Readonly<Record<string, readonly string[]>> = {
  "encoder.faithfulShare": ["encoder.faithfulProbability"],
  "redraw.faithful": ["redraw.recipes.faithful"],
  "redraw.nearOod": ["redraw.recipes.drift", "redraw.recipes.crossed"],
  "encoder.temperature": ["objectives.supcon.temperature"],
  "encoder.projection": ["objectives.supcon.projection"],
  "encoder.negativeWeight": ["objectives.supcon.negativeWeight"],
  "encoder.negativeTilt": ["objectives.supcon.negativeTilt"],
  "encoder.negativeScope": ["objectives.supcon.negativeScope"],
  "encoder.labelSmoothing": ["objectives.cross-entropy.labelSmoothing"],
  knn: ["tuning.knn.k"],
};

/** Values of settings that are names. */
export const RENAMED_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  arms: { "supcon+id": "supcon+faithful" },
};

/** The new paths of a setting that was renamed, in quotation marks. */
export function renamedSetting(path: readonly PropertyKey[]): string | undefined {
  return RENAMED_SETTINGS[path.join(".")]?.map((name) => `"${name}"`).join(" and ");
}

/** The new name of a value of the setting at this path; an entry of a list belongs to its list. */
export function renamedValue(path: readonly PropertyKey[], value: unknown): string | undefined {
  const setting = path.filter((part) => typeof part !== "number").join(".");
  return typeof value === "string" ? RENAMED_VALUES[setting]?.[value] : undefined;
}
