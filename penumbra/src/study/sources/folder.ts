import { deriveSeed } from "@penumbra/torch";
import { z } from "zod";
import {
  BROUGHT,
  type BroughtImage,
  type BroughtImageLine,
  IMAGE_KINDS,
  type ImageKind,
  type Photo,
  writeManifest,
} from "../../data/index.ts";
import { defineSource, type ImageSource } from "./source.ts";

/** What a source of a configuration's own says of its images. */
export const KIND_DESCRIPTION = "What they are meant to be: faithful = of the class, near-ood = beside it";

/** A source of a configuration's own: images that lie in a folder, from another tool. */
export const FolderSection = z.strictObject({
  folder: z.string().min(1).meta({
    description:
      "Folder of images that another tool made, relative to this file: class/image.png, or with a manifest.jsonl (file, parent, className, kind)",
  }),
  kind: z.enum(IMAGE_KINDS).meta({ description: KIND_DESCRIPTION }),
});
export type FolderSection = z.output<typeof FolderSection>;

/** The source of a folder's images of a kind, by a name of the configuration's own. Nothing is copied. */
export function folderSource(name: string, kind: ImageKind): ImageSource {
  return defineSource<FolderSection, { readonly kind: ImageKind }>({
    title: name,
    description: "Images of a folder, from another tool",
    kind,
    needs: "photos",
    version: 1,
    recipes: { [name]: { title: name, hasStrength: false, hasChance: false } },
    section: FolderSection,
    settings: () => ({ kind }),
    brings: ({ folder }) => ({ folder, kind }),
    requests: ({ brought, train, seed }) =>
      brought().map((image, variant) => ({ photo: parentOf(image, train, seed), recipe: name, variant })),
    async draw({ brought, train, folder }, requests) {
      const images = brought();
      const lines = requests.map(({ photo, variant }): BroughtImageLine => {
        const { id, hash, className, wordClass, strength, parent } = images[variant]!;
        const from = train[photo]!;
        return {
          ...{ file: id, hash, parent: from.id, parentHash: parent && from.hash, object: from.object },
          ...{ className, generator: BROUGHT, recipe: name, kind, variant, attempt: 0 },
          ...{ wordClass, strength, seed: 0, isParentStated: parent !== null },
        };
      });
      await writeManifest(folder, lines);
      return lines;
    },
  });
}

/** Place of the photo that an image was made from; where nobody says, of one of its class, by the image's name. */
function parentOf({ id, className, parent }: BroughtImage, train: readonly Photo[], seed: number): number {
  const stated = train.findIndex((photo) => photo.id === parent?.id);
  if (stated >= 0) return stated;
  // Of a parent's object, where another view of it was photographed than is trained on.
  const isKin = (photo: Photo) => (parent ? photo.object === parent.object : photo.className === className);
  const places = train.flatMap((photo, place) => (isKin(photo) ? [place] : []));
  return places[deriveSeed(seed, "parent", id) % places.length]!;
}
