import { Option } from "commander";
import type { Language } from "../report/index.ts";

// A type alone is imported: no command loads the report before it needs it.
const LANGUAGES: Readonly<Record<Language, string>> = { en: "English", de: "German" };

/** `--language`: what the report is written in. The command line itself speaks English. */
export function languageOption(): Option {
  const words = Object.entries(LANGUAGES).map(([name, title]) => `${name} (${title})`);
  return new Option("--language <language>", `language of the report: ${words.join(", ")}`)
    .choices(Object.keys(LANGUAGES))
    .default("en");
}
