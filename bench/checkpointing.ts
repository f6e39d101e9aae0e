/**
 * What gradient checkpointing saves where it is needed: one training step of DINOv2's ViT-S/14 at 518 px (1,370 tokens
 * an image), in a process each. Prints seconds of the second step and the peak of resident memory.
 *
 *   node --import tsx --conditions=source bench/checkpointing.ts [images a step]
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { manualSeed, randn, scope } from "@penumbra/torch";
import { VisionTransformer } from "../penumbra/src/models/index.ts";

const [batch = "4", mode] = process.argv.slice(2);

if (mode === undefined) {
  for (const each of ["plain", "checkpointed"]) {
    const script = [...process.execArgv, fileURLToPath(import.meta.url), batch, each];
    process.stdout.write(execFileSync(process.execPath, script, { encoding: "utf8" }));
  }
} else {
  manualSeed(0);
  const network = new VisionTransformer({ patchSize: 14, imageSize: 518, layerScale: 1e-5 });
  network.recomputes = mode === "checkpointed";
  network.train();
  let seconds = 0;
  for (let step = 0; step < 2; step++) {
    const startedAt = performance.now();
    scope(() =>
      network
        .features(randn([Number(batch), 3, 518, 518]))
        .square()
        .mean()
        .backward(),
    );
    seconds = (performance.now() - startedAt) / 1000;
    network.zeroGrad();
  }
  const peak = process.resourceUsage().maxRSS / 2 ** 20;
  console.log(
    `${mode.padEnd(13)} ${batch} images at 518 px: ${seconds.toFixed(1)} s, peak ${peak.toFixed(2)} GiB`,
  );
}
