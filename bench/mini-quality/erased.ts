// What `penumbra erase` has done to a mini: how often a judge that learned the renders of a corpus by families recognises
// the images of the concept, and of other captions, drawn by the model as it was and as it is:
//
//   node --import tsx --conditions=source bench/mini-quality/erased.ts MODEL ERASED CORPUS CONCEPT [--out FOLDER]
//
// FOLDER as of run.ts: the judge is shared.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { deriveSeed, setNumThreads } from "@penumbra/torch";
import {
  fillTemplate,
  PLAIN_TEMPLATE,
  StableDiffusion,
  textToImage,
} from "../../penumbra/src/diffusion/index.ts";
import { contactSheet, encodeWebp, toUint8 } from "../../penumbra/src/images/index.ts";
import { judgeOf, shareNamed } from "./judges.ts";
import { FAMILY_JUDGE, rendersIn } from "./material.ts";

/** Other captions that are looked at: those with the most images of a single family. */
const OTHERS = 12;
const IMAGES = 16;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string", default: "mini-quality" }, threads: { type: "string", default: "1" } },
});
const [model, erased, corpus, concept] = positionals;
if (!model || !erased || !corpus || !concept) {
  process.stderr.write("Give MODEL ERASED CORPUS CONCEPT.\n");
  process.exit(2);
}
setNumThreads(Number(values.threads));
const models = [model, erased].map((folder) => StableDiffusion.load(folder));
const renders = await rendersIn(corpus, { size: models[0]!.imageSize, seed: 0 });
const name = await judgeOf(join(values.out, "judges", "families"), renders.train, FAMILY_JUDGE);

const own = fillTemplate(PLAIN_TEMPLATE, concept);
const others = [...renders.imagesOf]
  .filter(([caption]) => caption !== own && renders.familiesOf.get(caption)!.size === 1)
  .sort((a, b) => b[1] - a[1])
  .slice(0, OTHERS)
  .map(([caption]) => caption);

/** Share of the images of a caption that the judge recognises, of each model. */
async function recognised(caption: string): Promise<number[]> {
  const families = renders.familiesOf.get(caption);
  if (!families) throw new Error(`The corpus has no caption "${caption}". Give a concept that it has.`);
  const shares: number[] = [];
  for (const [which, sd] of models.entries()) {
    const images = toUint8(
      textToImage(sd, {
        prompts: Array<string>(IMAGES).fill(caption),
        seeds: Array.from({ length: IMAGES }, (_, image) => deriveSeed(0, "erased", image)),
        ...{ steps: 20, guidanceScale: 3, precision: "auto" },
      }),
    );
    shares.push(shareNamed(name(images), (family) => families.has(family)));
    const file = `${caption === own ? "concept" : "other"}-${which === 0 ? "before" : "after"}.webp`;
    await encodeWebp(contactSheet(images, { columns: 8 }), join(values.out, file));
    images.dispose();
  }
  return shares;
}

console.log("| caption | recognised before | after |\n|---|---|---|");
const rows: number[][] = [];
for (const caption of [own, ...others]) {
  const shares = await recognised(caption);
  rows.push(shares);
  console.log(`| ${caption} | ${shares.map((share) => share.toFixed(2)).join(" | ")} |`);
}
const mean = (which: number) => rows.slice(1).reduce((sum, row) => sum + row[which]!, 0) / (rows.length - 1);
console.log(`| mean of the others | ${[0, 1].map((which) => mean(which).toFixed(2)).join(" | ")} |`);
