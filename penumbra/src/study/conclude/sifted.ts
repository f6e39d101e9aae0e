import { mean, type SiftedImage, type SiftedRecipe, type SiftResult } from "../../results/index.ts";
import { ROLES_OF_IMAGES } from "../../sift/index.ts";
import { quantile } from "../../unknowns/index.ts";
import {
  imagePath,
  readSift,
  type SeedData,
  type SiftedLine,
  type SiftSummary,
  type StudyContext,
} from "../stages/index.ts";
import { shownImage } from "./sheet.ts";

/** How many images of each source are shown, accepted and rejected. */
const SHOWN = 12;

/** What became of the images of every source that was sifted, over all seeds. */
export async function siftResults(
  context: StudyContext,
  seeds: readonly SeedData[],
  sifted: readonly string[],
  run: string,
): Promise<SiftResult[]> {
  return Promise.all(
    sifted.map(async (source) => {
      const artifacts = seeds.flatMap(({ images }) => images[source] ?? []);
      const sifts = await Promise.all(artifacts.map(readSift));
      const summaries = sifts.map(({ summary }) => summary);
      const [first] = sifts;
      const folder = artifacts[0]?.folder ?? "";
      const shown = (isAccepted: boolean) =>
        Promise.all(
          chosen(first?.lines ?? [], isAccepted).map(async (line) =>
            imageOf(line, await shownImage(context, run, imagePath(context, folder, line))),
          ),
        );
      return {
        source,
        upper: mean(summaries.map(({ upper }) => upper)),
        knownInside: mean(summaries.map(({ check }) => check.knownInside)),
        nearInside: meanOf(summaries.map(({ check }) => check.nearInside)),
        nearInBand: meanOf(summaries.map(({ check }) => check.nearInBand)),
        recipes: recipesOf(summaries),
        accepted: await shown(true),
        rejected: await shown(false),
      };
    }),
  );
}

function meanOf(values: readonly (number | null)[]): number | null {
  const given = values.filter((value) => value !== null);
  return given.length === 0 ? null : mean(given);
}

function recipesOf(summaries: readonly SiftSummary[]): SiftedRecipe[] {
  const names = [...new Set(summaries.flatMap(({ recipes }) => recipes.map(({ recipe }) => recipe)))];
  return names.map((recipe) => {
    const own = summaries.flatMap(({ recipes }) => recipes.filter((item) => item.recipe === recipe));
    const sum = (count: (item: (typeof own)[number]) => number) =>
      own.reduce((total, item) => total + count(item), 0);
    const first = sum(({ roles }) => Object.values(roles).reduce((total, count) => total + count, 0));
    const strengths = summaries.flatMap((summary) =>
      summary.strengths.flatMap((item) => (item.recipe === recipe ? [item.strength] : [])),
    );
    return {
      recipe,
      wanted: sum(({ wanted }) => wanted),
      drawn: sum(({ drawn }) => drawn),
      accepted: sum(({ accepted }) => accepted),
      roles: (Object.keys(ROLES_OF_IMAGES) as (keyof typeof ROLES_OF_IMAGES)[]).map((role) => ({
        role,
        share: first === 0 ? 0 : sum(({ roles }) => roles[role] ?? 0) / first,
      })),
      strengths:
        strengths.length === 0
          ? null
          : [Math.min(...strengths), quantile(strengths, 0.5), Math.max(...strengths)],
    };
  });
}

/** Some lines from all over the list, of as many recipes as there are. */
function chosen(lines: readonly SiftedLine[], isAccepted: boolean): SiftedLine[] {
  const own = lines.filter(({ sift }) => sift.isAccepted === isAccepted);
  const recipes = [...new Set(own.map(({ recipe }) => recipe))];
  return recipes.flatMap((recipe) => {
    const of = own.filter((line) => line.recipe === recipe);
    const count = Math.min(of.length, Math.ceil(SHOWN / recipes.length));
    return Array.from({ length: count }, (_, place) => of[Math.floor((place * of.length) / count)]!);
  });
}

function imageOf({ recipe, strength, className, sift }: SiftedLine, path: string): SiftedImage {
  const { role, reason } = sift;
  return { image: path, recipe, strength, className, role, reason };
}
