import { Command } from "commander";

/** `penumbra check FOLDER`: what a folder of photos holds and what to look at before a study. */
export function checkCommand(): Command {
  return new Command("check")
    .description("count the photos of a folder and say what is wrong with them")
    .argument("<folder>", "folder of photos: class/photo.jpg or class/object/view.jpg")
    .option("--json", "print the findings as one JSON object")
    .action(async (folder: string, { json }: { json?: boolean }) => {
      const { checkHealth, describeHealth, scanPhotos } = await import("../data/index.ts");
      const health = checkHealth(await scanPhotos(folder));
      process.stdout.write(`${json ? JSON.stringify(health) : describeHealth(health)}\n`);
    });
}
