import { IMAGE_KINDS, type ImageKind } from "../../data/index.ts";
import { folderSource, withSifted } from "../sources/index.ts";
import type { StudyTables } from "./tables.ts";

const NAME = /^(?!sifted-)[\w.+-]+$/;

/** What is wrong with a source of the configuration's own. */
export interface OwnSourceProblem {
  readonly name: string;
  readonly message: string;
}

/**
 * The tables with the sources that a configuration describes: each entry of `sources` with a `folder` is one, and a
 * sifted one stands beside it. Their sections are checked with all others.
 */
export function withOwnSources(
  values: unknown,
  tables: StudyTables,
): { readonly tables: StudyTables; readonly problems: readonly OwnSourceProblem[] } {
  const given = (values as { readonly sources?: unknown } | null)?.sources;
  if (typeof given !== "object" || given === null) return { tables, problems: [] };
  const own: Record<string, ReturnType<typeof folderSource>> = {};
  const problems: OwnSourceProblem[] = [];
  for (const [name, section] of Object.entries(given)) {
    if (typeof section !== "object" || section === null || !("folder" in section)) continue;
    if (Object.hasOwn(tables.sources, name)) continue; // its own section says that it has no folder
    if (!NAME.test(name)) {
      problems.push({
        name,
        message: `The source "${name}" needs another name: letters, digits, dots, dashes, pluses and underscores, and not "sifted-" first.`,
      });
      continue;
    }
    const { kind } = section as { readonly kind?: unknown };
    own[name] = folderSource(
      name,
      IMAGE_KINDS.includes(kind as ImageKind) ? (kind as ImageKind) : "near-ood",
    );
  }
  return { tables: { ...tables, sources: { ...tables.sources, ...withSifted(own) } }, problems };
}
