// One image by Python's diffusers and by ours, both ways: diffusers loads the folder that we wrote, we load the one that
// diffusers wrote, and all three draw from the same noise. Ends with 1 where names differ or an image is not the same.
// node --import tsx --conditions=source bench/same-image.ts [MODEL, default penumbra-mini] [--python PYTHON], a Python that
// has diffusers, transformers and torch.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Generator, randn, safetensors, scope, type Tensor } from "@penumbra/torch";
import { defaultSampler, StableDiffusion, textToImage } from "../penumbra/src/diffusion/index.ts";
import { MODEL } from "./workloads/stable-diffusion.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { python: { type: "string", default: "python3" } },
});
const [STEPS, GUIDANCE, PROMPT] = [20, 5, "a photo of a relay"] as const;
/** Of pixels in 0 … 1: rounding, over twenty steps. */
const TOLERANCE = 1e-3;

const folder = mkdtempSync(join(tmpdir(), "penumbra-same-image-"));
try {
  const sd = StableDiffusion.load(positionals[0] ?? MODEL);
  const [written, theirs, image] = ["ours", "theirs", "image.safetensors"].map((name) => join(folder, name));
  sd.save(written!);
  const side = sd.imageSize / sd.vae.factor;
  const noise = randn([1, sd.vae.config.latent_channels, side, side], {
    generator: new Generator({ seed: 0 }),
  });
  safetensors.write(join(folder, "noise.safetensors"), { noise });
  const peer = join(import.meta.dirname, "peers", "same_image.py");
  const args = [peer, folder, PROMPT, String(STEPS), String(GUIDANCE)];
  execFileSync(values.python, args, { stdio: "inherit" });
  const drawn = (model: StableDiffusion) =>
    textToImage(model, {
      ...{ prompts: [PROMPT], seeds: [0], noise, steps: STEPS, guidanceScale: GUIDANCE },
    });
  const reference = safetensors.read(image!).tensors.image!;
  const difference = (made: Tensor) => scope(() => made.sub(reference).abs().max().item() as number);
  const ours = difference(drawn(sd));
  const again = difference(drawn(StableDiffusion.load(theirs!)));
  console.log(
    `${STEPS} steps of ${defaultSampler(sd.schedulerConfig).name}: our image differs from diffusers' by ${ours.toExponential(1)} at most, that of the folder which diffusers wrote by ${again.toExponential(1)}`,
  );
  if (!(Math.max(ours, again) <= TOLERANCE)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
