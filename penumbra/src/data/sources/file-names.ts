import { extname } from "node:path";

const IMAGE_EXTENSIONS = new Set(
  ".jpg .jpeg .jpe .jfif .png .webp .gif .tif .tiff .avif .heic .heif .bmp .jp2 .j2k .jpx .jxl".split(" "),
);
/** Most of them look like TIFF inside, and hold a small preview that is not the photo. */
const RAW_EXTENSIONS = new Set(
  ".arw .cr2 .cr3 .crw .dng .erf .kdc .mrw .nef .nrw .orf .pef .raf .raw .rw2 .sr2 .srw .x3f".split(" "),
);
/** What systems leave behind; like hidden files, not worth a word. */
const CLUTTER = new Set([
  ...["__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle"],
  ...["$recycle.bin", "lost+found", "system volume information"],
]);

/** Whether a file has the name of an image. */
export function isImageName(name: string): boolean {
  return IMAGE_EXTENSIONS.has(extname(name).toLowerCase());
}

/** Whether a file has the name of a camera's raw file. */
export function isRawName(name: string): boolean {
  return RAW_EXTENSIONS.has(extname(name).toLowerCase());
}

/** Whether a file or folder is hidden, or of those that systems leave behind. */
export function isClutter(name: string): boolean {
  return name.startsWith(".") || CLUTTER.has(name.toLowerCase());
}
