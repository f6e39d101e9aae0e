/** Drawings for people: images from prompts and from photos as files that say how they were made. */

export {
  type DrawnImage,
  type DrawnPhoto,
  type DrawRequest,
  type DrawToFilesOptions,
  drawToFiles,
} from "./draw-to-files.ts";
export { readPhoto } from "./photo.ts";
export { type Provenance, provenanceOf } from "./provenance.ts";
