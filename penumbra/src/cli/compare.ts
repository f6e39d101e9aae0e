import { Command } from "commander";

/** `penumbra compare RUN RUN…`: several finished studies on one page. */
export function compareCommand(): Command {
  return new Command("compare")
    .description("put several finished studies onto one page: arms, hypotheses, and in what they differ")
    .argument("<runs...>", "run folders, such as runs/parts runs/parts-128")
    .option("-o, --out <file>", "the page", "comparison.html")
    .action(async (runs: string[], { out }: { readonly out: string }) => {
      const { writeComparison } = await import("../report/index.ts");
      process.stdout.write(`${await writeComparison(runs, out)}\n`);
    });
}
