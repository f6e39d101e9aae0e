import { Command } from "commander";
import { addDrawingFlags, type DrawingFlags, drawingOf, drawWithProgress } from "./drawing-flags.ts";
import { wholeNumber } from "./whole-number.ts";

interface ImagineFlags extends DrawingFlags {
  readonly prompt: readonly string[];
  readonly count: number;
  readonly size?: readonly [number, number];
}

/** `penumbra imagine --prompt …`: images from prompts, each with the way it was made. */
export function imagineCommand(): Command {
  const command = new Command("imagine")
    .description("draw images from prompts; each file says how it was made")
    .requiredOption(
      "-p, --prompt <prompt>",
      "what to draw; may be repeated",
      (value: string, all: string[] = []) => [...all, value],
    )
    .option("-n, --count <images>", "images of each prompt", wholeNumber(1), 4)
    .option("--size <pixels>", "HEIGHTxWIDTH, or one number (default: the model's)", sizeOf);
  return addDrawingFlags(command, "imagined").action(async (flags: ImagineFlags) => {
    const { options } = await drawingOf(flags);
    const requests = flags.prompt.flatMap((prompt) =>
      Array.from({ length: flags.count }, (_, i) => ({ prompt, seed: flags.seed + i })),
    );
    await drawWithProgress({ ...options, requests, size: flags.size, columns: flags.count });
  });
}

function sizeOf(text: string): [number, number] {
  const sides = text.split("x").map(wholeNumber(8));
  const [height = 0, width = height] = sides;
  return [height, width];
}
