import { deriveSeed, scope, tensor } from "@penumbra/torch";
import { drawImages, type ImageLine, withFile } from "../../data/index.ts";
import { roundTrip as throughAutoencoder } from "../../diffusion/index.ts";
import { toUint8 } from "../../images/index.ts";
import { defineSource } from "./source.ts";

const RECIPE = "round-trip";

/** Training photos through the diffusion model's autoencoder and back: real content with synthetic traces. */
export const roundTrips = defineSource<null, Record<string, never>>({
  title: "round trips",
  description:
    "Training photos through the diffusion model's autoencoder and back: among the positives they take away what tells synthetic from real",
  kind: "faithful",
  needs: "model",
  version: 1,
  recipes: { [RECIPE]: { title: "round trip", hasStrength: false, hasChance: false } },
  section: null,
  settings: () => ({}),
  requests: ({ train }) => train.map((_, photo) => ({ photo, recipe: RECIPE, variant: 0 })),
  draw({ study, train, seed, folder, onProgress, ...work }, requests) {
    const loader = work.model();
    return work.withPixels(loader.model.imageSize, async (pixels) => {
      const lines = requests.map(({ photo: place, variant, attempt = 0 }) => {
        const photo = train[place]!;
        return withFile<ImageLine>(
          {
            ...{ parent: photo.id, parentHash: photo.hash, object: photo.object, className: photo.className },
            ...{ generator: "autoencoder", recipe: RECIPE, kind: "faithful", variant, attempt },
            ...{ wordClass: photo.className, strength: 0 },
            seed: deriveSeed(seed, RECIPE, photo.id, variant, ...(attempt === 0 ? [] : [attempt])),
          },
          loader.model.hash,
        );
      });
      await drawImages({
        ...{ folder, lines, onProgress, batchSize: study.config.redraw.batchSize },
        draw: (places) =>
          scope(() => {
            const rows = tensor(
              places.map((place) => requests[place]!.photo),
              { dtype: "int64" },
            );
            const images01 = pixels.indexSelect(0, rows).to("float32").div(255);
            return toUint8(throughAutoencoder(loader.get(), images01)).to("cpu");
          }),
      });
      return lines;
    });
  },
});
