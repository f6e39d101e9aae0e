import { mean, type SourceFigures } from "../../results/index.ts";
import { sourceOf } from "../sources/index.ts";
import type { Nearness, SeedData, StudyContext } from "../stages/index.ts";

/** What the images stage notes of what was learned before it drew. */
interface Learning {
  readonly steps: number;
  readonly seconds: number;
  readonly peakMemory: number;
  readonly divergence?: number | null;
  readonly diversity?: number | null;
  readonly isCollapsed?: boolean;
}

/** What the images of each source are like and cost, but for those of sifted ones, which have results of their own. */
export function sourceFiguresOf(
  { tables }: StudyContext,
  seeds: readonly SeedData[],
  judged: Nearness["sources"],
): SourceFigures[] {
  const names = Object.keys(seeds[0]?.images ?? {});
  return names
    .filter((name) => sourceOf(name, tables.sources).sifts === undefined)
    .map((source) => {
      const made = seeds.map(({ seed, images }) => ({ seed, manifest: images[source]!.manifest }));
      const own = judged.find((row) => row.source === source);
      const notes = made.map(
        ({ manifest }) => manifest.notes as { images: number; learning?: Learning | null },
      );
      const learned = notes.flatMap(({ learning }, i) =>
        learning ? [{ ...learning, seed: made[i]!.seed }] : [],
      );
      const meanOf = <T>(items: readonly T[], of: (item: T) => number) => mean(items.map(of));
      const divergences = learned.flatMap(({ divergence }) => divergence ?? []);
      return {
        source,
        images: notes.reduce((sum, { images }) => sum + images, 0),
        insideShare: own?.insideShare ?? null,
        quality: own?.quality ?? null,
        training:
          learned.length === 0
            ? null
            : {
                steps: meanOf(learned, ({ steps }) => steps),
                seconds: meanOf(learned, ({ seconds }) => seconds),
                peakMemoryBytes: Math.max(...learned.map(({ peakMemory }) => peakMemory)),
                divergence: divergences.length > 0 ? mean(divergences) : null,
                collapsed: learned.flatMap(({ seed, isCollapsed, diversity }) =>
                  isCollapsed && diversity != null ? [{ seed, diversity }] : [],
                ),
              },
        drawing: {
          seconds: meanOf(made, ({ manifest }) => manifest.seconds),
          peakMemoryBytes: Math.max(...made.map(({ manifest }) => manifest.peakMemory)),
        },
      };
    });
}
