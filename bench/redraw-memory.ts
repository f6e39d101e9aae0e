// Memory of many redraws by penumbra-mini, one call's worth of steps each: it must not grow with their number.
// node --import tsx --conditions=source bench/redraw-memory.ts [images, default 10000]
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, rand, setNumThreads } from "@penumbra/torch";
import { findModel, redraw, StableDiffusion, wordToken } from "../penumbra/src/diffusion/index.ts";

setNumThreads(1);
const images = Number(process.argv[2] ?? 10_000);
const PHOTOS = 50;
const { path } = await findModel("penumbra-mini", { base: import.meta.dirname });
const sd = StableDiffusion.load(path);
const classes = ["relay", "fuse"];
const [id = 0] = sd.tokenizer.encode("part").slice(1);
const vector = sd.textEncoder.embeddings.tokenEmbedding.weight.detach().at(id).clone();
const words = classes.map((className) => ({ className, token: wordToken(className), vector }));
const side = sd.imageSize;
const pixels = rand([PHOTOS, 3, side, side], { generator: new Generator({ seed: 0 }) })
  .mul(255)
  .to("uint8");
const photos = Array.from({ length: PHOTOS }, (_, photo) => ({
  ...{ id: `${photo}.png`, object: `${photo}`, className: classes[photo % 2]! },
}));
const folder = mkdtempSync(join(tmpdir(), "penumbra-redraws-"));
const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024;
const heap = () => (process.memoryUsage().heapTotal / 2 ** 20).toFixed(0);
const variants = Math.ceil(images / PHOTOS);
const marks = new Set(
  Array.from({ length: 10 }, (_, part) => Math.floor(((part + 1) * variants * PHOTOS) / 10)),
);
const started = performance.now();
try {
  await redraw({
    ...{ sd, words: { words, modelHash: sd.hash }, photos, pixels, folder, seed: 0 },
    recipes: [{ name: "faithful", strengths: [0.25], variants }],
    ...{ steps: 4, guidanceScale: 2, batchSize: 25 },
    onProgress(done) {
      if (!marks.delete(done)) return;
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      process.stdout.write(
        `${done} redraws, ${seconds} s: ${resident().toFixed(0)} MiB resident, ${heap()} of them JavaScript's heap\n`,
      );
    },
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
