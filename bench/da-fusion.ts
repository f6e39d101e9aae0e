// Variants of one photo as DA-Fusion makes them (diffusers, one image a call, PNDM, 50 steps, guidance 7.5) beside ours, interleaved, in seconds of
// processor time (a busy machine does not change them much):
// node --import tsx --conditions=source bench/da-fusion.ts --python PYTHON, a Python that has diffusers, transformers and torch.
import { parseArgs } from "node:util";
import * as torch from "@penumbra/torch";
import {
  encodeImages,
  encodePrompts,
  imageToImage,
  type SamplerChoice,
} from "../penumbra/src/diffusion/index.ts";
import { inWords, processorTime, startTimed } from "./timed-peer.ts";
import { loadModel, MODEL } from "./workloads/stable-diffusion.ts";

const { values } = parseArgs({
  options: {
    python: { type: "string", default: "python3" },
    threads: { type: "string", default: "1" },
    variants: { type: "string", default: "16" },
    rounds: { type: "string", default: "3" },
  },
});
const [STEPS, STRENGTH, GUIDANCE, PROMPT] = [50, 0.5, 7.5, "a photo of a relay"] as const;
const variants = Number(values.variants);
torch.setNumThreads(Number(values.threads));

const sd = loadModel();
const photo = torch.rand([1, 3, sd.imageSize, sd.imageSize]);

/** All variants in one batch; photo and prompt are encoded once. */
function ours(sampler: SamplerChoice, steps: number): void {
  torch.scope(() => {
    const { mean, logvar } = encodeImages(sd, photo);
    const all = (tensor: torch.Tensor) => tensor.expand([variants, -1, -1, -1]);
    imageToImage(sd, all(photo), {
      ...{ sampler, steps, guidanceScale: GUIDANCE },
      posterior: { mean: all(mean), logvar: all(logvar) },
      context: encodePrompts(sd, Array<string>(variants).fill(PROMPT)),
      strengths: Array<number>(variants).fill(STRENGTH),
      seeds: Array.from({ length: variants }, (_, seed) => seed),
    });
  });
}

const peer = await startTimed(values.python, "da_fusion.py", [
  ...[MODEL, values.threads, STEPS, variants, STRENGTH, GUIDANCE, PROMPT],
]);
const WAYS = {
  "PNDM, 50 steps": [{ name: "pndm" }, 50],
  "DPM-Solver++ 2M, 20 steps": [{ name: "dpm-solver++" }, 20],
} as const;
const ratios = new Map<string, number[]>();
for (let round = 0; round < Number(values.rounds) + 1; round++) {
  const theirs = await peer.time();
  for (const [way, [sampler, steps]] of Object.entries(WAYS)) {
    const own = processorTime(() => ours(sampler, steps));
    if (round === 0) continue; // both sides warm up
    ratios.set(way, [...(ratios.get(way) ?? []), theirs / own]);
    console.log(`round ${round}: diffusers ${theirs.toFixed(2)} s, ours (${way}) ${own.toFixed(2)} s`);
  }
}
peer.end();
for (const [way, all] of ratios) console.log(`${variants} variants of one photo, ${way}: ${inWords(all)}`);
