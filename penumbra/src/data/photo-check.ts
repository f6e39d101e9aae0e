import { previewImage } from "../images/index.ts";
import type { FindingGroup, PhotoCheck, ShownFinding } from "../results/index.ts";
import { mapConcurrently } from "./concurrent.ts";
import { groupBy } from "./group.ts";
import type { Health } from "./health.ts";
import { readPhoto } from "./sources/index.ts";
import { type Manifest, PROBLEM_TITLES, type Problem, type ProblemKind } from "./types.ts";

/** Kinds whose pictures are worth a look; the others have none, or are about names. */
const SHOWN_KINDS: ReadonlySet<ProblemKind> = new Set([
  ...(["duplicate", "near-duplicate", "repaired", "dark", "blank", "blurred"] as const),
  ...(["tiny", "odd-shape", "recording", "label"] as const),
]);

const PREVIEW_SIDE = 96;

/**
 * The findings as data for a page: grouped by kind, those that leave something out first, each with small pictures.
 *
 * @param most findings of each kind that are shown
 */
export async function photoCheckOf(
  place: string,
  manifest: Manifest,
  health: Health,
  { most = 60 }: { most?: number } = {},
): Promise<PhotoCheck> {
  const { classes, sizes, notes, warnings, problems } = health;
  const groups: FindingGroup[] = [];
  for (const isLeftOut of [true, false]) {
    const part = problems.filter((problem) => problem.isLeftOut === isLeftOut);
    for (const [kind, all] of groupBy(part, (problem) => problem.kind)) {
      const shown = await mapConcurrently(all.slice(0, most), (problem) => shownFinding(manifest, problem));
      groups.push({ kind, title: PROBLEM_TITLES[kind], isLeftOut, count: all.length, shown });
    }
  }
  return { place, classes, sizes, notes, warnings, groups };
}

async function shownFinding(
  manifest: Manifest,
  { kind, file, message, other }: Problem,
): Promise<ShownFinding> {
  const picture = (id: string | undefined) =>
    id !== undefined && SHOWN_KINDS.has(kind) ? previewOf(manifest, id) : undefined;
  const [image, otherImage] = await Promise.all([picture(file), picture(other)]);
  return {
    ...{ file, message },
    ...(image !== undefined && { image }),
    ...(other !== undefined && { other }),
    ...(otherImage !== undefined && { otherImage }),
  };
}

/** A file may have gone since the scan: then the page shows no picture of it. */
async function previewOf({ root, white }: Manifest, id: string): Promise<string | undefined> {
  try {
    const preview = await previewImage(await readPhoto(root, id), PREVIEW_SIDE, { white });
    return `data:image/webp;base64,${preview.toString("base64")}`;
  } catch {
    return undefined;
  }
}

/** Findings whose file one would leave out: what cannot be used, and of a pair the later one. */
const IGNORED_KINDS: ReadonlySet<ProblemKind> = new Set([
  ...(["unreadable", "not-an-image", "broken-link", "too-deep", "outside-a-class"] as const),
  ...(["duplicate", "near-duplicate", "blank", "tiny", "label"] as const),
]);

/**
 * The setting `ignore` that leaves out what one would leave out, as YAML with the reasons as comments, to be pasted
 * into a configuration after a look.
 */
export function fixListOf(problems: readonly Problem[]): string {
  const lines = problems
    .filter(({ kind }) => IGNORED_KINDS.has(kind))
    .flatMap(({ file, message }) => [
      `  # ${message.replaceAll(/\s+/g, " ")}`,
      `  - ${JSON.stringify(file)}`,
    ]);
  return lines.length === 0 ? "ignore: []\n" : `ignore:\n${[...new Set(lines)].join("\n")}\n`;
}
