import { basename, dirname, relative, resolve } from "node:path";
import { findOddities, type Manifest, type Problem, RECORDING_PATTERN, ROLES } from "../../data/index.ts";
import type { Overrides } from "./scaffold.ts";

/** What `penumbra init` proposes for a folder. */
export interface Plan {
  readonly overrides: Overrides;
  /** Comment lines at the head of the file. */
  readonly head: readonly string[];
  /** What a person should know, for the terminal. */
  readonly notes: readonly string[];
}

/** Objects without which no class can be split: one each to learn from, for choices and for the results. */
const FEWEST_OBJECTS = 3;

/** Settings that fit what a scan found: the split that the smallest class allows, and the encoder's stem. */
export function planFor(manifest: Manifest, place: string, file: string): Plan {
  const counts = ROLES.map((role) => {
    const photos = manifest.photos.filter((photo) => photo.role === role);
    return { role, photos, classes: new Set(photos.map(({ className }) => className)).size };
  });
  const objects = new Map<string, Set<string>>();
  for (const { role, className, object } of manifest.photos) {
    if (role !== "known") continue;
    objects.set(className, (objects.get(className) ?? new Set()).add(object));
  }
  const smallest = Math.min(...[...objects.values()].map(({ size }) => size));
  const tooSmall = [...objects].filter(([, { size }]) => size < FEWEST_OBJECTS).map(([name]) => `"${name}"`);
  // Few shots: four objects, or as many as make sixteen photos where an object has few views. The smallest class
  // keeps almost half of its objects for the test.
  const known = manifest.photos.filter(({ role }) => role === "known").length;
  const views = known / [...objects.values()].reduce((sum, { size }) => sum + size, 0);
  const enough = Math.max(4, Math.ceil(16 / views));
  const shots = Math.max(1, Math.min(enough, Math.floor(smallest / 3)));
  const validation = Math.max(1, Math.min(enough, Math.floor(smallest / 4)));
  const sides = manifest.photos.map(({ width, height }) => Math.max(width, height)).sort((a, b) => a - b);
  const isSmall = (sides[Math.floor(sides.length / 2)] ?? 64) <= 40;
  const found = counts.map(
    ({ role, photos, classes }) => `${role}: ${classes} classes, ${photos.length} photos`,
  );
  const near = counts.find(({ role }) => role === "near");
  return {
    overrides: {
      name:
        basename(resolve(place))
          .replace(/\.\w+$/, "")
          .replaceAll(/[^\w.-]/g, "-") || "study",
      photos: relative(dirname(resolve(file)), resolve(place)).replaceAll("\\", "/") || ".",
      imageSize: isSmall ? 32 : 64,
      "encoder.stem": isSmall ? "cifar" : "imagenet",
      // The cifar stem keeps all positions: half the channels cost a quarter.
      "encoder.width": isSmall ? 16 : 32,
      "split.shots": shots,
      "split.validation": validation,
      ...remediesFor(findOddities(manifest), sides.length),
    },
    head: [
      `A study of ${basename(resolve(place))} (${found.join("; ")}).`,
      "",
      `Run it with:  penumbra study ${basename(file)}`,
      "Interrupt it whenever you like: the same command goes on where it stopped.",
    ],
    notes: [
      ...manifest.notes,
      `Found ${found.join("; ")}${objects.size > 0 ? `; the smallest known class has ${smallest} object${smallest === 1 ? "" : "s"}` : ""}.`,
      ...(tooSmall.length > 0
        ? [
            `Too few objects for a study: ${tooSmall.join(", ")}. A class needs ${FEWEST_OBJECTS}: one to learn from, one for choices, one for the results. Add photos of others, or list the class under ignore.`,
          ]
        : []),
      ...(near && near.classes < 2
        ? [
            "Fewer than two classes are near unknowns: choices need one and the test another. Name them under roles.near, or put their folders into a folder called near.",
          ]
        : []),
    ],
  };
}

/** Settings that mend what was found: letterboxes for long photos, frames of a recording as one object. */
function remediesFor(problems: readonly Problem[], photos: number): Overrides {
  const count = (kind: Problem["kind"]) => problems.filter((problem) => problem.kind === kind).length;
  return {
    // One odd photo is a mistake; a tenth of them is how the parts look.
    ...(count("odd-shape") > photos / 10 && { fit: "letterbox" }),
    ...(count("recording") > 0 && { objects: RECORDING_PATTERN }),
  };
}
