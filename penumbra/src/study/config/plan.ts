import { basename, dirname, relative, resolve } from "node:path";
import {
  findOddities,
  groupBy,
  type Manifest,
  type Photo,
  type Problem,
  type ProblemKind,
  RECORDING_PATTERN,
  ROLES,
} from "../../data/index.ts";
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
  const remedies = remediesFor(findOddities(manifest), manifest.photos);
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
      ...remedies.overrides,
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
      ...remedies.notes,
    ],
  };
}

/** A proposal that mends what was found, with why it is made. */
interface Remedy {
  readonly overrides: Overrides;
  readonly note: string;
}

/** What is found of one kind, and all photos that it was found among. */
type Propose = (problems: readonly Problem[], photos: readonly Photo[]) => Remedy | undefined;

/** So many files are left out by name; more of them are a matter of the camera. */
const MOST_IGNORED = 50;

const ignoring =
  (what: string): Propose =>
  (problems) =>
    problems.length > MOST_IGNORED
      ? undefined
      : {
          overrides: { ignore: problems.map(({ file }) => file) },
          note: `${counted(problems.length)} ${what}: listed under ignore.`,
        };

/** What a setting can mend, by the kind of finding; null where it takes a person, or where the scan left it out. */
export const REMEDIES: Readonly<Record<ProblemKind, Propose | null>> = {
  // One odd photo is a mistake; a tenth of them is how the parts look.
  "odd-shape": (problems, photos) =>
    problems.length > photos.length / 10
      ? {
          overrides: { fit: "letterbox" },
          note: `${counted(problems.length)} much longer than wide or high: fit is letterbox, which keeps their proportions.`,
        }
      : undefined,
  recording: () => ({
    overrides: { objects: RECORDING_PATTERN },
    note: "Numbered photos look like frames of recordings: objects joins those of one name, so that no frame is tested beside its twin.",
  }),
  "near-duplicate": (problems, photos) => {
    const byId = new Map(photos.map((photo) => [photo.id, photo]));
    const isSingle = soleViews(photos);
    const pairs = problems.filter(({ file, other }) => {
      const [a, b] = [byId.get(file), byId.get(other ?? "")];
      return a && b && a.className === b.className && isSingle(a) && isSingle(b);
    });
    if (pairs.length === 0) return undefined;
    return {
      overrides: { objects: "near-duplicates" },
      note: `${counted(pairs.length)} almost the same as another of the class: objects joins them, so that none is tested beside its twin.`,
    };
  },
  leak: (problems) => ({
    overrides: { "split.given": "merge" },
    note: `${problems.length === 1 ? "1 object has" : `${problems.length} objects have`} photos in two parts of the given division: split.given is merge, which draws anew by object.`,
  }),
  blank: ignoring("of one colour"),
  tiny: ignoring("of a few pixels"),
  // Left out already.
  ...{ unreadable: null, "not-an-image": null, "outside-a-class": null, "too-deep": null },
  ...{ "broken-link": null, "no-role": null, "empty-class": null, duplicate: null },
  // A person must look: rename a folder, take a photo again, move it.
  ...{ "twin-class": null, label: null, repaired: null, dark: null, blurred: null, "missing-view": null },
};

/** The settings that mend what was found, and why each is proposed. The first that sets something has its way. */
function remediesFor(problems: readonly Problem[], photos: readonly Photo[]) {
  let overrides: Overrides = {};
  const notes: string[] = [];
  for (const [kind, propose] of Object.entries(REMEDIES)) {
    const own = problems.filter((problem) => problem.kind === kind);
    const remedy = own.length > 0 ? propose?.(own, photos) : undefined;
    if (!remedy) continue;
    const { ignore } = remedy.overrides as { readonly ignore?: readonly string[] };
    const before = overrides as { readonly ignore?: readonly string[]; readonly objects?: unknown };
    if (remedy.overrides.objects !== undefined && before.objects !== undefined) continue;
    overrides = {
      ...overrides,
      ...remedy.overrides,
      ...(ignore && { ignore: [...new Set([...(before.ignore ?? []), ...ignore])] }),
    };
    notes.push(remedy.note);
  }
  return { overrides, notes };
}

/** Whether a photo is the only one of its object. */
function soleViews(photos: readonly Photo[]): (photo: Photo) => boolean {
  const views = groupBy(photos, ({ object }) => object);
  return ({ object }) => views.get(object)?.length === 1;
}

function counted(photos: number): string {
  return photos === 1 ? "1 photo is" : `${photos} photos are`;
}
