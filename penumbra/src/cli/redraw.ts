import { basename, dirname, extname, join, resolve } from "node:path";
import { Command } from "commander";
import type { DrawRequest, Words } from "../diffusion/index.ts";
import type { Fit, KeptPart } from "../images/index.ts";
import { addDrawingFlags, type DrawingFlags, drawingOf, drawWithProgress, number } from "./drawing-flags.ts";
import { wholeNumber } from "./whole-number.ts";

interface RedrawFlags extends DrawingFlags {
  readonly strength: readonly number[];
  readonly prompt?: string;
  readonly class?: string;
  readonly variants: number;
  readonly size?: number;
  readonly fit: string;
  readonly masks?: string;
  readonly keep: string;
  readonly grow?: number;
}

/** `penumbra redraw --strength S PHOTO…`: photos drawn again, each with the way it was made. */
export function redrawCommand(): Command {
  const command = new Command("redraw")
    .description(
      "draw photos again: partly noised, then denoised under a prompt; each file says how it was made",
    )
    .argument("<photos...>", "image files")
    .requiredOption(
      "-s, --strength <share>",
      "how much of the photo is replaced by noise: 0 nothing, 1 almost all; may be repeated",
      (text: string, all: number[] = []) => [...all, number(0, 1)(text)],
    )
    .option(
      "-p, --prompt <prompt>",
      "what it is to become (default: a photo of the class's word, or nothing)",
    )
    .option("--class <name>", "class whose word is used (default: the name of the photo's folder)")
    .option("-n, --variants <images>", "images of each photo and strength", wholeNumber(1), 2)
    .option("--size <pixels>", "side of the square images (default: the model's)", wholeNumber(8))
    .option("--fit <fit>", "how photos become square: squash, letterbox or crop", "squash")
    .option(
      "--masks <place>",
      "a mask for all photos, or a folder with one of each photo's name; white = object",
    )
    .option("--keep <part>", "what stays as it is: nothing, object or ground", "nothing")
    .option("--grow <pixels>", "how much masks grow, in pixels of 512", wholeNumber(0));
  return addDrawingFlags(command, "redrawn").action(async (photos: string[], flags: RedrawFlags) => {
    const { FITS, KEPT_PARTS } = await import("../images/index.ts");
    const { readPhoto } = await import("../diffusion/index.ts");
    const [fit, part] = [flags.fit as Fit, flags.keep as KeptPart];
    if (!FITS.includes(fit)) throw new Error(`--fit is ${fit}. Give one of: ${FITS.join(", ")}.`);
    if (!KEPT_PARTS.includes(part))
      throw new Error(`--keep is ${part}. Give one of: ${KEPT_PARTS.join(", ")}.`);
    if ((part === "nothing") !== (flags.masks === undefined))
      throw new Error("--keep and --masks go together. Give both, or none.");
    const { sd, words, options } = await drawingOf(flags);
    const requests: DrawRequest[] = [];
    for (const path of photos) {
      const mask = flags.masks === undefined ? undefined : await maskOf(flags.masks, path);
      const photo = await readPhoto(path, flags.size ?? sd.imageSize, {
        fit,
        mask,
        part,
        growth: flags.grow,
      });
      const prompt = flags.prompt ?? (await promptOf(words, flags.class ?? basename(dirname(resolve(path)))));
      for (const strength of flags.strength)
        for (let i = 0; i < flags.variants; i++)
          requests.push({ prompt, seed: flags.seed + i, photo: { name: path, strength, ...photo } });
    }
    await drawWithProgress({ ...options, requests });
  });
}

async function promptOf(words: Words | undefined, className: string): Promise<string> {
  if (!words) return "";
  const { fillTemplate, PLAIN_TEMPLATE, wordOf } = await import("../diffusion/index.ts");
  return fillTemplate(PLAIN_TEMPLATE, wordOf(words, className).token);
}

/** One file for all, or that of a folder which has the photo's name, whatever its ending. */
async function maskOf(place: string, photo: string): Promise<string> {
  const { readdir, stat } = await import("node:fs/promises");
  const found = await stat(place).catch(() => undefined);
  if (!found) throw new Error(`The masks ${place} are not there. Give a file, or a folder.`);
  if (found.isFile()) return place;
  const stem = (path: string) => basename(path, extname(path));
  const name = (await readdir(place)).find((file) => stem(file) === stem(photo));
  if (name !== undefined) return join(place, name);
  throw new Error(`The folder ${place} has no mask for ${photo}. Add ${stem(photo)}.png.`);
}
