/** What was once called otherwise: an old name is refused with the new one. */

/** Settings by their dotted path of old. */
export const RENAMED_SETTINGS: Readonly<Record<string, string>> = {
  "encoder.faithfulShare": "encoder.faithfulProbability",
  "encoder.temperature": "objectives.supcon.temperature",
  "encoder.projection": "objectives.supcon.projection",
  "encoder.negativeWeight": "objectives.supcon.negativeWeight",
  "encoder.negativeTilt": "objectives.supcon.negativeTilt",
  "encoder.negativeScope": "objectives.supcon.negativeScope",
  "encoder.labelSmoothing": "objectives.cross-entropy.labelSmoothing",
  knn: "tuning.knn.k",
};

/** Values of settings that are names. */
export const RENAMED_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  arms: { "supcon+id": "supcon+faithful" },
};

/** The new path of a setting that was renamed. */
export function renamedSetting(path: readonly PropertyKey[]): string | undefined {
  return RENAMED_SETTINGS[path.join(".")];
}

/** The new name of a value of the setting at this path; an entry of a list belongs to its list. */
export function renamedValue(path: readonly PropertyKey[], value: unknown): string | undefined {
  const setting = path.filter((part) => typeof part !== "number").join(".");
  return typeof value === "string" ? RENAMED_VALUES[setting]?.[value] : undefined;
}
