/** Languages of the pages: English is what the code says, the others are dictionaries in the report's room. */
export const languages = ["en", "de"] as const;
export type Language = (typeof languages)[number];
