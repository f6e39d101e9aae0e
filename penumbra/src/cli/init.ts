import { existsSync } from "node:fs";
import { Command } from "commander";

interface InitOptions {
  readonly out: string;
}

/** `penumbra init FOLDER`: writes a commented study.yaml that fits a folder of photos. */
export function initCommand(): Command {
  return new Command("init")
    .description("write a commented study.yaml for a folder of photos")
    .argument(
      "<folder>",
      "folder of photos (class/photo.jpg or class/object/view.jpg), or a list (.csv, .jsonl)",
    )
    .option("-o, --out <file>", "configuration file to write", "study.yaml")
    .action(async (folder: string, { out }: InitOptions) => {
      if (existsSync(out)) {
        throw new Error(
          `${out} exists already and is left as it is. Name another file with --out, or remove it.`,
        );
      }
      const { describeLeftOut, scanPhotos, warningsOf } = await import("../data/index.ts");
      const { writeFileAtomic } = await import("../files/index.ts");
      const { planFor, writeScaffold } = await import("../study/index.ts");
      const manifest = await scanPhotos(folder);
      const plan = planFor(manifest, folder, out);
      await writeFileAtomic(out, writeScaffold(plan.overrides, plan.head));
      process.stdout.write(`${[`Wrote ${out}`, ...plan.notes].join("\n")}\n`);
      const leftOut = describeLeftOut(manifest);
      if (leftOut) process.stdout.write(`Warning: ${leftOut} penumbra check ${out} names them.\n`);
      for (const warning of warningsOf(manifest)) process.stdout.write(`Warning: ${warning}\n`);
      process.stdout.write(`Next: look through ${out}, then run: penumbra study ${out}\n`);
    });
}
