import { Option } from "commander";
import type { Language } from "../results/index.ts";

const LANGUAGES: Readonly<Record<Language, string>> = { en: "English", de: "German" };

/** `--language`: what pages are written in. The command line itself speaks English. */
export function languageOption(usual = "English"): Option {
  const words = Object.entries(LANGUAGES).map(([name, title]) => `${name} (${title})`);
  return new Option(
    "--language <language>",
    `language of the page: ${words.join(", ")}; default: ${usual}`,
  ).choices(Object.keys(LANGUAGES));
}
