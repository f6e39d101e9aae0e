import { Command } from "commander";
import type { Language } from "../results/index.ts";
import { languageOption } from "./language.ts";

/** `penumbra compare RUN RUN…`: several finished studies on one page. */
export function compareCommand(): Command {
  return new Command("compare")
    .description("put several finished studies onto one page: arms, hypotheses, and in what they differ")
    .argument("<runs...>", "run folders, such as runs/parts runs/parts-128")
    .option("-o, --out <file>", "the page", "comparison.html")
    .addOption(languageOption("the study's own"))
    .action(
      async (runs: string[], { out, language }: { readonly out: string; readonly language?: Language }) => {
        const { writeComparison } = await import("../report/index.ts");
        process.stdout.write(`${await writeComparison(runs, out, language)}\n`);
      },
    );
}
