import { hashDistance, tileDistance } from "../images/index.ts";
import { groupBy } from "./group.ts";
import { compareNatural } from "./natural.ts";
import { findLike } from "./near-duplicates.ts";
import type { Manifest, Photo, Problem, ProblemKind } from "./types.ts";

/** What about the photos that are used a person should look at; nothing here leaves a photo out. */
export function findOddities(manifest: Pick<Manifest, "photos">): Problem[] {
  const { photos } = manifest;
  return [
    ...twinClasses(photos),
    ...leaks(photos),
    ...recordings(photos),
    ...nearDuplicates(photos),
    ...photos.flatMap(oddPhoto),
    ...blurred(photos),
    ...missingViews(photos),
  ];
}

function finding(kind: ProblemKind, file: string, rest: string, other?: string): Problem {
  return {
    kind,
    file,
    message: `"${file}" ${rest}`,
    isLeftOut: false,
    ...(other !== undefined && { other }),
  };
}

/** Names that people read as one: the same but for case, spaces at the ends or Unicode form. */
function twinClasses(photos: readonly Photo[]): Problem[] {
  const names = [...new Set(photos.map(({ className }) => className))];
  return [...groupBy(names, (name) => name.normalize("NFKC").trim().toLowerCase()).values()].flatMap(
    ([first, ...others]) =>
      others.map((name) =>
        finding(
          "twin-class",
          name,
          `is a class beside "${first}": the names differ only in case, spaces at the ends or Unicode form (${codePoints(first!)} and ${codePoints(name)}). Rename one, or put their photos together if they are one class.`,
        ),
      ),
  );
}

function codePoints(name: string): string {
  const odd = [...name].filter((character) => !/^[\x21-\x7e]$/.test(character));
  if (odd.length === 0) return name;
  return `${name} with ${odd.map((each) => `U+${each.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`).join(" ")}`;
}

/** Objects that a given division puts into two parts. */
function leaks(photos: readonly Photo[]): Problem[] {
  return [...groupBy(photos, ({ object }) => object)].flatMap(([object, views]) => {
    const splits = [...new Set(views.flatMap(({ split }) => split ?? []))];
    if (splits.length < 2) return [];
    return [
      finding(
        "leak",
        object,
        `is an object with photos in ${splits.join(" and ")}: what is tested was learned. Move them together, or set split.given to merge.`,
      ),
    ];
  });
}

/** Objects by names without their trailing number. */
export const RECORDING_PATTERN = String.raw`^(.*?)[\s_.-]*\d+$`;
const SHORTEST_RECORDING = 5;
/** How alike two frames in succession are. */
const FRAME_BITS = 10;
const FRAME_LEVELS = 8;

/** Numbered photos in succession that hardly change, each counted as an object of its own. */
function recordings(photos: readonly Photo[]): Problem[] {
  const numbered = photos.flatMap((photo) => {
    const match = /^(.*?)[\s_.-]*(\d+)$/.exec(photo.view);
    const isOwnObject = photo.object.endsWith(photo.id.slice(photo.id.lastIndexOf("/") + 1));
    return match && isOwnObject ? [{ photo, prefix: match[1]!, number: Number(match[2]) }] : [];
  });
  const series = groupBy(numbered, ({ photo, prefix }) => {
    const folder = photo.id.slice(0, photo.id.lastIndexOf("/"));
    return `${folder}/${prefix}`;
  });
  return [...series.values()].flatMap((frames) => {
    if (frames.length < SHORTEST_RECORDING) return [];
    frames.sort((a, b) => a.number - b.number);
    const alike = frames.slice(1).filter((frame, i) => isNextFrame(frames[i]!.photo, frame.photo)).length;
    if (alike < 0.7 * (frames.length - 1)) return [];
    const { photo } = frames[0]!;
    return [
      finding(
        "recording",
        photo.id,
        `and ${frames.length - 1} more of the same name and rising numbers hardly change from one to the next: they look like frames of one recording, and each counts as an object of its own. Put each recording into a folder of its own (class/recording/frame.jpg), or set objects to '${RECORDING_PATTERN}'.`,
      ),
    ];
  });
}

function isNextFrame(a: Photo, b: Photo): boolean {
  return (
    hashDistance(a.look.perceptual, b.look.perceptual) <= FRAME_BITS &&
    tileDistance(a.look.tile, b.look.tile) <= FRAME_LEVELS
  );
}

/** Pictures of different objects that look almost the same. */
function nearDuplicates(photos: readonly Photo[]): Problem[] {
  return findLike(photos, (first, second) => first.object !== second.object).map(({ first, second }) =>
    finding(
      "near-duplicate",
      second.id,
      first.className === second.className
        ? `looks almost the same as "${first.id}", of another object. If both show one object, put them into one folder; if one is a copy, remove it.`
        : `looks almost the same as "${first.id}", of the class "${first.className}". Look at both: one label may be wrong.`,
      first.id,
    ),
  );
}

const LEAST_DEVIATION = 1;
const DARK_MEAN = 12;
const TINY_SIDE = 16;
const ODD_RATIO = 4;

function oddPhoto({ id, width, height, look }: Photo): Problem[] {
  const found: Problem[] = [];
  if (look.deviation < LEAST_DEVIATION) {
    found.push(finding("blank", id, "has one colour and shows nothing. Remove it, or check the camera."));
  } else if (look.mean < DARK_MEAN) {
    found.push(
      finding(
        "dark",
        id,
        `is almost black (mean ${look.mean.toFixed(0)} of 255). Check the exposure, or its depth.`,
      ),
    );
  }
  if (Math.min(width, height) < TINY_SIDE) {
    found.push(finding("tiny", id, `has only ${width} x ${height} pixels. Replace it by a larger one.`));
  }
  const ratio = Math.max(width / height, height / width);
  if (ratio > ODD_RATIO) {
    found.push(
      finding(
        "odd-shape",
        id,
        `has ${width} x ${height} pixels: squashed to a square, ${ratio.toFixed(0)} pixels become one. Crop it, or set fit to letterbox.`,
      ),
    );
  }
  return found;
}

const FEWEST_TO_COMPARE = 10;
/** A tenth of the set's median sharpness, as cleanvision's blur score falls to. */
const BLURRED_SHARE = 0.1;

/** Photos much less sharp than the set's others: an absolute limit would call smooth parts blurred. */
function blurred(photos: readonly Photo[]): Problem[] {
  const shown = photos.filter(({ look }) => look.deviation >= LEAST_DEVIATION);
  if (shown.length < FEWEST_TO_COMPARE) return [];
  const sorted = shown.map(({ look }) => look.sharpness).sort((a, b) => a - b);
  const median = sorted[sorted.length >> 1]!;
  return shown
    .filter(({ look }) => look.sharpness < BLURRED_SHARE * median)
    .map(({ id }) =>
      finding("blurred", id, "is far less sharp than the others. Take it again, or remove it."),
    );
}

const COMMON_SHARE = 0.8;
const FEWEST_OBJECTS = 5;

/** Objects that lack a view which at least four fifths of a set of several objects have. */
function missingViews(photos: readonly Photo[]): Problem[] {
  const objects = [...groupBy(photos, ({ object }) => object)].filter(([, views]) => views.length > 1);
  if (objects.length < FEWEST_OBJECTS) return [];
  const counts = new Map<string, number>();
  for (const [, views] of objects) {
    for (const view of new Set(views.map((photo) => photo.view)))
      counts.set(view, (counts.get(view) ?? 0) + 1);
  }
  const common = [...counts]
    .filter(([, count]) => count >= COMMON_SHARE * objects.length)
    .map(([view]) => view);
  return objects.flatMap(([object, views]) => {
    const own = new Set(views.map((photo) => photo.view));
    const missing = common.filter((view) => !own.has(view)).sort(compareNatural);
    if (missing.length === 0) return [];
    return [
      finding(
        "missing-view",
        object,
        `lacks the view${missing.length === 1 ? "" : "s"} ${missing.join(", ")} that other objects have. Add what is missing; the object is used as it is.`,
      ),
    ];
  });
}
