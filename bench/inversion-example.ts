// Steps of textual inversion as diffusers' example takes them (examples/textual_inversion: the autoencoder in each step, a
// gradient for the whole table of tokens, whose other rows are put back after it) beside ours, one word, equal batch,
// interleaved, in processor time (a busy machine does not change it much):
// node --import tsx --conditions=source bench/inversion-example.ts --python PYTHON, a Python that has diffusers, transformers
// and torch. Decoding photos is left out on both sides.
import { parseArgs } from "node:util";
import * as torch from "@penumbra/torch";
import { learnWords } from "../penumbra/src/diffusion/index.ts";
import { inWords, startTimed } from "./timed-peer.ts";
import { loadModel, MODEL } from "./workloads/stable-diffusion.ts";

const { values } = parseArgs({
  options: {
    python: { type: "string", default: "python3" },
    threads: { type: "string", default: "1" },
    batch: { type: "string", default: "16" },
    steps: { type: "string", default: "4" },
    rounds: { type: "string", default: "5" },
  },
});
const [batch, steps, rounds] = [values.batch, values.steps, values.rounds].map(Number) as [
  number,
  number,
  number,
];
torch.setNumThreads(Number(values.threads));
const sd = loadModel();
const images = torch.randint(256, [batch, 3, sd.imageSize, sd.imageSize], { dtype: "uint8" });
const peer = await startTimed(values.python, "inversion_example.py", [MODEL, values.threads, batch, steps]);

/** Seconds of processor time of the steps of a training, without what comes before the second one. */
async function ours(): Promise<number> {
  let began = process.cpuUsage();
  let seconds = 0;
  await learnWords(sd, {
    ...{ classes: [{ name: "relay", images }], steps: steps + 1, batchSize: batch, seed: 0 },
    onProgress(done) {
      if (done === 1) began = process.cpuUsage();
      const { user, system } = process.cpuUsage(began);
      seconds = (user + system) / 1e6;
    },
  });
  return seconds;
}

const ratios: number[] = [];
for (let round = 0; round <= rounds; round++) {
  const [theirs, own] = [await peer.time(), await ours()];
  if (round === 0) continue; // both sides warm up
  ratios.push(theirs / own);
  const each = (seconds: number) => `${((1000 * seconds) / steps).toFixed(0)} ms a step`;
  console.log(`round ${round}: diffusers' example ${each(theirs)}, ours ${each(own)}`);
}
peer.end();
console.log(`A step of textual inversion, ${batch} samples: ${inWords(ratios)}`);
