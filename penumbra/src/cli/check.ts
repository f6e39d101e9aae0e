import { resolve } from "node:path";
import { Command } from "commander";

/** `penumbra check`: what a folder of photos holds, or what a configuration would run, and what to look at before. */
export function checkCommand(): Command {
  return new Command("check")
    .description(
      "count the photos of a folder, or of a study.yaml with its roles, and say what is wrong with them",
    )
    .argument("<folder-or-config>", "folder of photos, or a study.yaml")
    .option("--json", "print the findings as one JSON object")
    .action(async (path: string, { json }: { json?: boolean }) => {
      if (/\.ya?ml$/.test(path)) await checkStudy(path, json ?? false);
      else await checkFolder(path, json ?? false);
    });
}

async function checkFolder(folder: string, json: boolean): Promise<void> {
  const { checkHealth, describeHealth, scanPhotos } = await import("../data/index.ts");
  const health = checkHealth(await scanPhotos(folder));
  process.stdout.write(`${json ? JSON.stringify(health) : describeHealth(health)}\n`);
}

/** The photos as the study sees them, the split of its first seed, and how much there is to do. */
async function checkStudy(path: string, json: boolean): Promise<void> {
  const { checkHealth, describeHealth, scanPhotos, splitByObject } = await import("../data/index.ts");
  const { checkModel } = await import("../diffusion/index.ts");
  const { loadConfig, planStudy, scanOptionsOf } = await import("../study/index.ts");
  const study = planStudy(await loadConfig(path));
  const { config, folder } = study;
  const manifest = await scanPhotos(resolve(folder, config.photos), {
    ...scanOptionsOf(config),
  });
  const health = checkHealth(manifest);
  const split = splitByObject(manifest, { ...config.split, seed: config.seeds[0] ?? 0 });
  const parts = Object.entries(split).map(([name, photos]) => [name, photos.length] as const);
  const model = study.needsModel ? await checkModel(config.model, folder) : null;
  if (model && !model.ok) process.exitCode = 1; // the study would be refused
  if (json) {
    const { title, stageCount, run } = study;
    process.stdout.write(
      `${JSON.stringify({ ...health, parts: Object.fromEntries(parts), model, title, stageCount, run })}\n`,
    );
    return;
  }
  process.stdout.write(
    [
      describeHealth(health),
      `Photos at each seed: ${parts.map(([name, count]) => `${name} ${count}`).join(", ")}`,
      ...(model ? [`Model: ${model.finding}`] : []),
      `${study.title}: ${study.stageCount} stages`,
      "",
    ].join("\n"),
  );
}
