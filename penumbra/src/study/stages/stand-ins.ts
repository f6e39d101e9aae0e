import { join } from "node:path";
import { deriveSeed, fromTyped, safetensors, type Tensor } from "@penumbra/torch";
import { Random } from "@penumbra/torch/random";
import { extractStages, type LinearProbe } from "../../contrast/index.ts";
import type { Photo, Split } from "../../data/index.ts";
import { readJson, writeFileAtomic } from "../../files/index.ts";
import type { Network } from "../../unknowns/index.ts";
import { cutMix, jigsaw } from "../sources/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, pixelsHash, type StudyContext, withPixels } from "./context.ts";
import { readEncoder } from "./encoder.ts";
import { loadImages } from "./load-images.ts";
import { evidenceOf, NO_SAMPLES, type PartSamples } from "./samples.ts";

const tensorsFile = "stand-ins.safetensors";
const listFile = "stand-ins.json";

/** What stands in for unknowns where a folder has none to choose by. Each kind has the same say. */
type Kind = "near-OOD redraws" | "CutMix" | "jigsaw";

/** An image that stands in, and the object that it was made from. */
interface StandIn {
  readonly kind: Kind;
  readonly object: string;
}

export interface StandInsInputs {
  readonly arm: string;
  readonly seed: number;
  readonly encoder: Artifact;
  /** The near-OOD redraws of the seed, where there are any. */
  readonly redraws?: Artifact | undefined;
}

/**
 * Images that stand in for validation unknowns, and what the encoder makes of them: each known validation photo as a
 * jigsaw and with a box of a photo of another class (CutMix), and as many of the seed's near-OOD redraws. An arm that
 * is trained on such redraws finds them easier than unknowns are: that is why they are only one kind of three.
 */
export function standInsStage(
  context: StudyContext,
  { validation }: Split,
  { arm, seed, encoder, redraws }: StandInsInputs,
): Promise<Artifact> {
  const { config, store, device } = context;
  const { imageSize } = config;
  return store.run({
    name: "stand-ins",
    version: 1,
    label: labelOf(context, seed, arm),
    inputs: { encoder, ...(redraws && { redraws }), photos: pixelsHash(context, validation) },
    config: { imageSize },
    seed,
    run: async ({ folder }) => {
      const mixed = await withPixels(context, validation, imageSize, async (pixels) =>
        mixedOf(validation, pixels.toTyped() as Uint8Array, imageSize, seed),
      );
      const drawn = redraws ? await someRedraws(context, redraws, validation.length) : [];
      const all = [...mixed, ...drawn];
      const pixels = stacked(all, imageSize);
      const { encoder: network } = readEncoder(context, encoder);
      const stages = extractStages(network, pixels, { device });
      const named = Object.fromEntries(stages.map((stage, index) => [`stage${index}`, stage]));
      safetensors.write(join(folder, tensorsFile), { pixels, ...named });
      for (const tensor of [pixels, ...stages]) tensor.dispose();
      const list: StandIn[] = all.map(({ kind, object }) => ({ kind, object }));
      await writeFileAtomic(join(folder, listFile), JSON.stringify(list));
      return { images: all.length };
    },
  });
}

/** The images of an artifact as a part of the split. */
export async function readStandIns(
  artifact: Artifact | undefined,
  probe: LinearProbe,
  network: Network | undefined,
): Promise<PartSamples> {
  if (!artifact) return NO_SAMPLES;
  const list = await readJson<StandIn[]>(join(artifact.folder, listFile));
  const { pixels, ...named } = safetensors.read(join(artifact.folder, tensorsFile)).tensors;
  const stages = Object.keys(named).map((_, index) => named[`stage${index}`] as Tensor);
  const objects = list.map(({ kind, object }) => `${kind} of ${object}`);
  return {
    ids: objects.map((object, index) => `${object}, ${index}`),
    objects,
    classNames: list.map(({ kind }) => kind),
    labels: list.map(() => -1),
    evidence: { ...evidenceOf(stages, probe), ...(network && { network, pixels }) },
  };
}

type Made = StandIn & { readonly image: Uint8Array };

/** Every photo as a jigsaw and, where there is another class, mixed with a photo of one. */
function mixedOf(photos: readonly Photo[], pixels: Uint8Array, size: number, seed: number): Made[] {
  const images = { pixels, size };
  return photos.flatMap(({ id, object, className }, index): Made[] => {
    const random = (kind: string) => new Random(deriveSeed(seed, `${kind} ${id}`));
    const others = photos.flatMap((other, place) => (other.className === className ? [] : [place]));
    const cutting = random("CutMix");
    const partner = others[Math.floor(cutting.uniform() * others.length)];
    return [
      { kind: "jigsaw", object, image: jigsaw(images, index, random("jigsaw")) },
      ...(partner === undefined
        ? []
        : [{ kind: "CutMix" as const, object, image: cutMix(images, index, partner, cutting) }]),
    ];
  });
}

/** At most `most` redraws, from all over the list. */
async function someRedraws(context: StudyContext, artifact: Artifact, most: number): Promise<Made[]> {
  const { images, lines } = await loadImages(context, artifact);
  const size = context.config.imageSize;
  const pixels = images.toTyped() as Uint8Array;
  images.dispose();
  const length = 3 * size * size;
  const count = Math.min(most, lines.length);
  return Array.from({ length: count }, (_, place) => {
    const index = Math.floor((place * lines.length) / count);
    const object = lines[index]?.parent;
    if (object === undefined) throw new RangeError(`${artifact.folder} has no redraw ${index}.`);
    return {
      ...{ kind: "near-OOD redraws", object },
      image: pixels.slice(index * length, (index + 1) * length),
    };
  });
}

function stacked(all: readonly Made[], size: number): Tensor {
  const length = 3 * size * size;
  const pixels = new Uint8Array(all.length * length);
  for (const [index, { image }] of all.entries()) pixels.set(image, index * length);
  return fromTyped(pixels, [all.length, 3, size, size]);
}
