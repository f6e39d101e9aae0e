import { join } from "node:path";
import type { Classifier, Gallery, Judged } from "../deploy/index.ts";
import type { ExplainedObject, Language } from "../results/index.ts";
import type { FileObject } from "./file-objects.ts";

/** Side of the pictures, in pixels, and of the grid of places that are hidden. */
const SIDE = 224;
const PLACES = 8;

/** Why each object got its verdict, as pictures in a folder with a page over them. */
export class Explanations {
  readonly #root: string;
  readonly #classifier: Classifier;
  readonly #gallery: Gallery;
  readonly #objects: ExplainedObject[] = [];
  readonly #written = new Set<number>();

  readonly #language: Language;

  constructor(root: string, classifier: Classifier, gallery: Gallery, language: Language = "en") {
    this.#root = root;
    this.#language = language;
    this.#classifier = classifier;
    this.#gallery = gallery;
  }

  async add({ object, verdict, unreadable }: Judged<FileObject>): Promise<void> {
    if (!verdict) return;
    const { explain } = await import("../deploy/index.ts");
    const left = new Set(unreadable.map(({ photo }) => photo));
    const photos = object.photos.filter((_, photo) => !left.has(photo));
    const pixels = await this.#classifier.decode(photos);
    const { heat, neighbours } = explain(this.#classifier, this.#gallery, pixels, { places: PLACES });
    pixels.dispose();
    const number = String(this.#objects.length + 1).padStart(4, "0");
    const views = await Promise.all(
      photos.map((photo, view) => this.#writeView(photo, `${number}-${view + 1}`, heat[view]!)),
    );
    for (const neighbour of neighbours) await this.#writeNeighbour(neighbour.number);
    const { isUnknown, className, confidence, pValue, classes } = verdict;
    this.#objects.push({
      ...{ name: object.name, isUnknown, className, confidence, pValue, others: classes.slice(1, 3), views },
      neighbours: neighbours.map(({ number: place, id, className: own, similarity }) => ({
        ...{ id, className: own, similarity, image: neighbourFile(place) },
      })),
    });
  }

  /** Writes the page; returns its path. */
  async finish(): Promise<string> {
    const { renderExplanations, withLanguage } = await import("../report/index.ts");
    const { writeFileAtomic } = await import("../files/index.ts");
    const page = join(this.#root, "index.html");
    const { name: classifier } = this.#classifier;
    const explained = { classifier, places: PLACES, objects: this.#objects };
    await writeFileAtomic(
      page,
      withLanguage(this.#language, () => renderExplanations(explained)),
    );
    return page;
  }

  async #writeView(photo: string, name: string, heat: readonly (readonly number[])[]) {
    const { decodeImage, heatMap, previewImage } = await import("../images/index.ts");
    const { writeFileAtomic } = await import("../files/index.ts");
    const { fit, interpolation, white } = this.#classifier.preprocessing;
    const [picture, planes] = await Promise.all([
      previewImage(photo, SIDE, { white }),
      decodeImage(photo, SIDE, { fit, interpolation, white }),
    ]);
    const files = { image: `${name}.webp`, heat: `${name}-heat.webp` };
    await writeFileAtomic(join(this.#root, files.image), picture);
    await writeFileAtomic(join(this.#root, files.heat), await heatMap(planes, SIDE, heat));
    return { photo, ...files };
  }

  async #writeNeighbour(place: number): Promise<void> {
    if (this.#written.has(place)) return;
    this.#written.add(place);
    const { writeFileAtomic } = await import("../files/index.ts");
    await writeFileAtomic(join(this.#root, neighbourFile(place)), this.#gallery.photos[place]!.picture);
  }
}

function neighbourFile(place: number): string {
  return `neighbours/${place}.webp`;
}
