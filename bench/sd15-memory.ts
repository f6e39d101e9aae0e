// Peak memory of one image-to-image step at 512 pixels by a model of Stable Diffusion 1.5's size, with weights of no meaning:
// node --import tsx --conditions=source bench/sd15-memory.ts fp32 | bf16 [images]
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import { ClipTokenizer, imageToImage, StableDiffusion } from "../penumbra/src/diffusion/index.ts";
import { AutoencoderKL, CLIPTextModel, UNet2DConditionModel } from "../penumbra/src/models/index.ts";

const [precision = "fp32", images = "1"] = process.argv.slice(2);
if (precision !== "fp32" && precision !== "bf16") throw new Error("Give fp32 or bf16.");
const dtype = precision === "bf16" ? "bfloat16" : "float32";
const published = JSON.parse(
  readFileSync(
    join(import.meta.dirname, "../penumbra/test/fixtures/published-models/stable-diffusion-v1-5.json"),
    "utf8",
  ),
) as { files: Record<string, Record<string, unknown>> };
const configOf = (part: string) => published.files[`${part}/config.json`] as Record<string, unknown>;

/** Small numbers everywhere: drawn ones would take longer than the step. */
function filled<Network extends torch.nn.AnyModule>(network: Network): Network {
  torch.noGrad(() => {
    for (const parameter of network.parameters()) parameter.fill_(1e-3);
  });
  return network.to({ dtype, memoryFormat: "channelsLast" }) as Network;
}

const networks = torch.nn.init.skip(() => ({
  unet: filled(new UNet2DConditionModel(configOf("unet"))),
  vae: filled(new AutoencoderKL(configOf("vae"))),
  textEncoder: filled(new CLIPTextModel(configOf("text_encoder"))),
}));
const tokenizer = ClipTokenizer.load(join(import.meta.dirname, "../penumbra/mini/tokenizer"));
const sd = new StableDiffusion({ tokenizer, ...networks });
const memory = (field: string) =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))![1]) / 2 ** 20;
writeFileSync("/proc/self/clear_refs", "5"); // the peak is counted from here: building holds weights twice
const before = memory("VmRSS");
const count = Number(images);
const started = performance.now();
torch.scope(() => {
  const photos = torch.rand([count, 3, 512, 512]);
  const prompts = Array<string>(count).fill("a photo of a relay");
  const options = {
    steps: 2,
    strengths: Array<number>(count).fill(0.5),
    seeds: prompts.map((_, seed) => seed),
  };
  imageToImage(sd, photos, { prompts, ...options, precision, sampler: { name: "ddim" } });
});
console.log(
  `${precision}, ${count} images of 512 pixels: weights ${before.toFixed(1)} GiB, peak ${memory("VmHWM").toFixed(1)} GiB, ${((performance.now() - started) / 1000).toFixed(0)} s for encoding, one guided step and decoding`,
);
