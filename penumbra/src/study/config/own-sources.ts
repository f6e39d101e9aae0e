import { IMAGE_KINDS, type ImageKind } from "../../data/index.ts";
import {
  folderSource,
  generatorSource,
  type ImageSource,
  photoGenerators,
  withSifted,
} from "../sources/index.ts";
import { suggest } from "./suggest.ts";
import type { StudyTables } from "./tables.ts";

const NAME = /^(?!sifted-)[\w.+-]+$/;

/** What is wrong with a source of the configuration's own. */
export interface OwnSourceProblem {
  /** The setting below `sources`. */
  readonly at: readonly string[];
  readonly message: string;
}

/**
 * The tables with the sources that a configuration describes: each entry of `sources` with a `folder` or a `generator`
 * is one, and a sifted one stands beside it. Their sections are checked with all others.
 */
export function withOwnSources(
  values: unknown,
  tables: StudyTables,
): { readonly tables: StudyTables; readonly problems: readonly OwnSourceProblem[] } {
  const given = (values as { readonly sources?: unknown } | null)?.sources;
  if (typeof given !== "object" || given === null) return { tables, problems: [] };
  const own: Record<string, ImageSource> = {};
  const problems: OwnSourceProblem[] = [];
  for (const [name, section] of Object.entries(given)) {
    if (typeof section !== "object" || section === null) continue;
    if (!("folder" in section) && !("generator" in section)) continue;
    if (Object.hasOwn(tables.sources, name)) continue; // its own section says that it has neither
    const read = readOwnSource(name, section);
    if ("at" in read) problems.push(read);
    else own[name] = read;
  }
  return { tables: { ...tables, sources: { ...tables.sources, ...withSifted(own) } }, problems };
}

function readOwnSource(name: string, section: object): ImageSource | OwnSourceProblem {
  if (!NAME.test(name)) {
    return {
      at: [name],
      message: `The source "${name}" needs another name: letters, digits, dots, dashes, pluses and underscores, and not "sifted-" first.`,
    };
  }
  const { kind: given, generator } = section as { readonly kind?: unknown; readonly generator?: unknown };
  // Another kind is told with the rest of the section.
  const kind = IMAGE_KINDS.includes(given as ImageKind) ? (given as ImageKind) : "near-ood";
  if (generator === undefined) return folderSource(name, kind);
  const known = photoGenerators.find((each) => each === generator);
  if (known) return generatorSource(name, known, kind);
  const meant = suggest(String(generator), photoGenerators);
  return {
    at: [name, "generator"],
    message: `The source "${name}" is to be drawn by ${JSON.stringify(generator)}, which is no generator that learns from photos. ${meant ? `Did you mean "${meant}"?` : `Choose one of: ${photoGenerators.join(", ")}.`}`,
  };
}
