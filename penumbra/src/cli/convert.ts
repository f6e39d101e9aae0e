import { Command, Option } from "commander";

interface ConvertFlags {
  readonly vae?: string;
  readonly lora: readonly string[];
  readonly prediction?: "epsilon" | "v_prediction";
  readonly half?: boolean;
}

/** `penumbra convert MODEL OUT`: a diffusion model from one form to the other, with what was added to it. */
export function convertCommand(): Command {
  return new Command("convert")
    .description(
      "write a diffusion model anew: as a folder in the diffusers layout, or as one .safetensors in the original key layout",
    )
    .argument("<model>", "folder, checkpoint file (.safetensors, .ckpt), hf:owner/name or penumbra-mini")
    .argument("<out>", "FOLDER, or FILE.safetensors")
    .option("--vae <place>", "take the autoencoder from here: a folder, a file or a name on the hub")
    .option(
      "--lora <file[=weight]>",
      "add this LoRA to the weights, such as style.safetensors=0.8; can be repeated",
      (value: string, before: readonly string[]) => [...before, value],
      [] as readonly string[],
    )
    .addOption(
      new Option(
        "--prediction <kind>",
        "what a Stable Diffusion 2.x file predicts, where it does not say it",
      ).choices(["epsilon", "v_prediction"]),
    )
    .option("--half", "write weights as float16")
    .action(async (name: string, out: string, { vae, lora, prediction, half }: ConvertFlags) => {
      const { findModel, StableDiffusion } = await import("../diffusion/index.ts");
      const loras = lora.map(loraOf);
      const found = await findModel(name, {
        ...{ base: process.cwd(), vae, loras, prediction },
        onNote: (text) => process.stderr.write(`${text}\n`),
      });
      const sd = StableDiffusion.load(found.path, {
        ...{ vae: found.vae ?? undefined, loras: found.loras, prediction },
      });
      const options = half ? ({ dtype: "float16" } as const) : {};
      if (/\.safetensors$/i.test(out)) sd.saveSingleFile(out, options);
      else sd.save(out, options);
      process.stdout.write(
        `Wrote ${out}: ${sd.imageSize} px, predicts ${sd.schedulerConfig.prediction_type}\n`,
      );
    });
}

function loraOf(text: string): { readonly file: string; readonly weight: number } {
  const [, file = text, weight = "1"] = /^(.+)=([^=]+)$/.exec(text) ?? [];
  if (Number.isFinite(Number(weight))) return { file, weight: Number(weight) };
  throw new Error(
    `"${text}" has no number after "=". Write FILE or FILE=WEIGHT, such as style.safetensors=0.8.`,
  );
}
