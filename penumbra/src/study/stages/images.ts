import type { Json } from "../../files/index.ts";
import type { Artifact } from "../store/index.ts";
import { labelOf, type StudyContext } from "./context.ts";
import { type ImagesInputs, prepareSource } from "./prepared-source.ts";

/** The images of a seed, by the sources that some arm names. */
export type SeedImages = Readonly<Record<string, Artifact>>;

/** The images of a source, made of the training photos of a seed. */
export async function imagesStage(
  context: StudyContext,
  name: string,
  inputs: ImagesInputs,
): Promise<Artifact> {
  const { source, settings, learned, work, hashes } = await prepareSource(context, name, inputs);
  return context.store.run({
    name: inputs.stage ?? "images",
    version: source.version,
    label: inputs.label ?? labelOf(context, inputs.seed, name),
    inputs: hashes,
    config: { source: name, settings },
    seed: inputs.seed,
    run: async ({ folder, progress }) => {
      const onProgress = (done: number, total: number) => progress(done, total, "images");
      const drawing = { ...work, folder, onProgress };
      const lines = await source.draw(drawing, source.requests(drawing));
      return { images: lines.length, learning: learned && costOf(learned) };
    },
  });
}

/** What learning for a source cost, and what came of it. */
function costOf({ manifest: { seconds, peakMemory, notes } }: Artifact) {
  return { ...(notes as Readonly<Record<string, Json>>), seconds, peakMemory };
}
