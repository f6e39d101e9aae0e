import type { PhotoCheck } from "../results/index.ts";
import { findOddities } from "./findings.ts";
import { groupBy } from "./group.ts";
import { byClass } from "./split.ts";
import { type Manifest, type Photo, PROBLEM_TITLES, type Problem, ROLES, type Role } from "./types.ts";

/** What a folder holds, counted, and what a person should look at before training on it. */
export interface Health extends Pick<PhotoCheck, "classes" | "sizes" | "warnings" | "notes"> {
  /** What was left out, then what is used though odd. */
  readonly problems: readonly Problem[];
}

type ClassHealth = PhotoCheck["classes"][number];

/** Counts what a scan found and looks for what spoils a study; `more` is what was found in other ways. */
export function checkHealth(manifest: Manifest, more: readonly Problem[] = []): Health {
  return {
    classes: countClasses(manifest.photos),
    sizes: countSizes(manifest.photos),
    warnings: warningsOf(manifest),
    problems: [...manifest.problems, ...findOddities(manifest), ...more],
    notes: manifest.notes,
  };
}

/** Advice on the set as a whole; each is a sentence with a remedy. */
export function warningsOf({ photos }: Pick<Manifest, "photos">): string[] {
  return [...warnOfClasses(countClasses(photos)), ...warnOfSizes(photos)];
}

function countClasses(photos: readonly Photo[]): ClassHealth[] {
  return ROLES.flatMap((role) =>
    [...byClass(photos.filter((photo) => photo.role === role))].map(([className, objects]) => {
      let count = 0;
      let fewest = Number.POSITIVE_INFINITY;
      let most = 0;
      for (const { length } of objects.values()) {
        count += length;
        fewest = Math.min(fewest, length);
        most = Math.max(most, length);
      }
      return { className, role, objects: objects.size, photos: count, views: [fewest, most] as const };
    }),
  );
}

/**
 * Plain lines for people, without a trailing line break.
 *
 * @param options `most` limits the findings that are listed of each kind, `mostClasses` the lines of the table
 */
export function describeHealth(health: Health, { most = 5, mostClasses = 60 } = {}): string {
  const width = Math.max(...health.classes.map(({ className }) => className.length), 5);
  const lines = [`${"class".padEnd(width)}  role   objects  photos  views`];
  for (const { className, role, objects, photos, views } of health.classes.slice(0, mostClasses)) {
    const span = views[0] === views[1] ? `${views[0]}` : `${views[0]}-${views[1]}`;
    const columns = [
      className.padEnd(width),
      role.padEnd(5),
      `${objects}`.padStart(7),
      `${photos}`.padStart(6),
      span.padStart(5),
    ];
    lines.push(columns.join("  "));
  }
  if (health.classes.length > mostClasses) {
    lines.push(`... and ${health.classes.length - mostClasses} more classes; --json and --html name all`);
  }
  const sizes = health.sizes.map((size) => `${size.width} x ${size.height} (${size.photos})`);
  lines.push(
    `Sizes in pixels: ${sizes.slice(0, 5).join(", ")}${sizes.length > 5 ? `, ${sizes.length - 5} more` : ""}`,
    ...health.notes.map((note) => `Note: ${note}`),
    ...health.warnings.map((warning) => `Warning: ${warning}`),
  );
  for (const isLeftOut of [true, false]) {
    const part = health.problems.filter((problem) => problem.isLeftOut === isLeftOut);
    for (const [kind, problems] of groupBy(part, (problem) => problem.kind)) {
      lines.push(
        `${isLeftOut ? "Left out" : "Look at"}: ${PROBLEM_TITLES[kind].toLowerCase()} (${problems.length})`,
      );
      lines.push(...problems.slice(0, most).map(({ message }) => `  ${message}`));
      if (problems.length > most) lines.push(`  ... and ${problems.length - most} more`);
    }
  }
  return lines.join("\n");
}

/** How many photos a scan left out and why, in one sentence; undefined where it used all. */
export function describeLeftOut({
  photos,
  problems,
}: Pick<Manifest, "photos" | "problems">): string | undefined {
  const leftOut = problems.filter(({ isLeftOut }) => isLeftOut);
  if (leftOut.length === 0) return undefined;
  const kinds = [...groupBy(leftOut, ({ kind }) => kind)].map(
    ([kind, { length }]) => `${PROBLEM_TITLES[kind].toLowerCase()}: ${length}`,
  );
  return `${leftOut.length} of ${photos.length + leftOut.length} files and folders are left out (${kinds.join(", ")}).`;
}

function countSizes(photos: readonly Photo[]): Health["sizes"] {
  const counts = new Map<string, { width: number; height: number; photos: number }>();
  for (const { width, height } of photos) {
    const key = `${width}x${height}`;
    counts.set(key, { width, height, photos: (counts.get(key)?.photos ?? 0) + 1 });
  }
  return [...counts.values()].sort((a, b) => b.photos - a.photos || a.width - b.width || a.height - b.height);
}

/** More than this between the largest and the smallest known class, and training should be balanced. */
const UNEVEN = 3;

/** More classes than this are not warned of one by one. */
const MOST_NAMED = 5;

function warnOfClasses(classes: readonly ClassHealth[]): string[] {
  const warnings: string[] = [];
  const known = classes.filter(({ role }) => role === "known");
  const near = classes.filter(({ role }) => role === "near");
  if (known.length < 2) warnings.push(`${known.length} known class(es): a classifier needs at least two.`);
  const lonely = known.filter(({ objects }) => objects === 1).map(({ className }) => `"${className}"`);
  if (lonely.length > MOST_NAMED) {
    warnings.push(
      `${lonely.length} classes show one object only: they cannot be trained and tested. Add photos of others. They are ${lonely.slice(0, MOST_NAMED).join(", ")} and ${lonely.length - MOST_NAMED} more.`,
    );
  } else {
    for (const name of lonely) {
      warnings.push(
        `Class ${name} shows one object only: it cannot be trained and tested. Add photos of others.`,
      );
    }
  }
  const counts = known.map(({ objects }) => objects);
  if (Math.max(...counts) > UNEVEN * Math.min(...counts)) {
    warnings.push(
      `Known classes have from ${Math.min(...counts)} to ${Math.max(...counts)} objects. Accuracy on the small ones is uncertain: add photos there.`,
    );
  }
  if (near.length === 0)
    warnings.push(
      "No near unknowns: how well lookalikes are refused cannot be tested. Hold out some classes.",
    );
  if (near.length === 1) {
    warnings.push(
      `One class of near unknowns ("${near[0]!.className}"): it goes to the test, and none is left to choose settings with. Hold out a second one.`,
    );
  }
  return warnings;
}

/** Factor between the median areas of two roles from which the size itself tells them apart. */
const TELLING_AREA = 1.5;

/** Unknowns photographed at another size are recognised by their blur, not by what they show. */
function warnOfSizes(photos: readonly Photo[]): string[] {
  const median = (role: Role) => {
    const areas = photos.filter((photo) => photo.role === role).map(({ width, height }) => width * height);
    return areas.sort((a, b) => a - b)[areas.length >> 1];
  };
  const known = median("known");
  return (["near", "far"] as const).flatMap((role) => {
    const other = median(role);
    if (!known || !other || Math.max(known / other, other / known) <= TELLING_AREA) return [];
    return [
      `Photos of ${role} unknowns have a median of ${other} pixels, those of known classes ${known}: scaled to one size they differ in sharpness, and "unknown" becomes too easy. Take both with the same camera and setting.`,
    ];
  });
}
