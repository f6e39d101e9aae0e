import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit } from "yaml";
import { z } from "zod";
import { type RecipeName, recipeNames, smallestStrength } from "../../diffusion/index.ts";
import { type Arm, armOf, sourcesOf, UNTRAINED } from "../arms/index.ts";
import { needsJudges, sourceOfRecipe } from "../sources/index.ts";
import { type StudyConfig, studySchemaOf } from "./config.ts";
import { explainIssue } from "./explain.ts";
import { ownArmSchemaOf, readOwnArm } from "./own-arms.ts";
import { withOwnSources } from "./own-sources.ts";
import { shotsOf } from "./shots.ts";
import { type StudyTables, TABLES } from "./tables.ts";

/** Thrown for a configuration that cannot be used; the message names file, line, setting and remedy. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** A configuration as read, and the folder that its relative paths start from. */
export interface LoadedConfig {
  /** What it chooses from. */
  readonly tables: StudyTables;
  readonly config: StudyConfig;
  readonly folder: string;
  readonly path: string;
  /** The file as written, comments and all. */
  readonly text: string;
}

/**
 * Reads a study.yaml and fills in the defaults.
 *
 * @param tables what it chooses from: the built-in tables, or those of `tablesWith`
 * @throws ConfigError when the file cannot be read or parsed, and for every unknown setting or impossible value, all of
 *   them in one message
 */
export async function loadConfig(path: string, tables: StudyTables = TABLES): Promise<LoadedConfig> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "does not exist" : `cannot be read (${error.code})`;
    throw new ConfigError(
      `The configuration ${path} ${why}. Check the path, or write one with: penumbra init FOLDER_OF_PHOTOS`,
    );
  });
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new ConfigError(`The configuration ${path} is written in UTF-16. Save it as UTF-8.`);
  }
  const text = bytes.toString("utf8");
  return { ...readText(text, path, tables), folder: resolve(dirname(path)), path, text };
}

/**
 * The settings in a YAML text; `file` names it in messages.
 * @throws ConfigError as {@link loadConfig}
 */
export function parseConfig(text: string, file: string, tables: StudyTables = TABLES): StudyConfig {
  return readText(text, file, tables).config;
}

/** Settings with what they choose from, the arms of their own included. */
type ReadSettings = Pick<LoadedConfig, "config" | "tables">;

function readText(text: string, file: string, tables: StudyTables): ReadSettings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const syntax = document.errors[0];
  if (syntax) {
    throw new ConfigError(`${file} is not valid YAML: ${syntax.message.trim()}\nCorrect the file there.`);
  }
  return validate(plainValues(document, file, lines) ?? {}, tables, (path) => {
    const offset = offsetOf(document, path);
    return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`;
  });
}

/** The values of a document; an alias that names no anchor is refused with its line. */
function plainValues(document: Document, file: string, lines: LineCounter): unknown {
  const anchors = new Set<string>();
  visit(document, {
    Node: (_, { anchor }: { anchor?: string }) => {
      if (anchor !== undefined) anchors.add(anchor);
    },
  });
  visit(document, {
    Alias: (_, { source, range }) => {
      if (anchors.has(source)) return;
      const line = range ? `:${lines.linePos(range[0]).line}` : "";
      throw new ConfigError(
        `${file}${line}: "*${source}" refers to something that is not there. Put a pattern that begins with * in quotes: "*${source}".`,
      );
    },
  });
  return document.toJS();
}

/**
 * The settings in a plain object; `source` names where they come from in messages.
 * @throws ConfigError as {@link loadConfig}
 */
export function parseSettings(values: unknown, source: string, tables: StudyTables = TABLES): StudyConfig {
  return validate(values, tables, () => source).config;
}

function validate(
  values: unknown,
  tables: StudyTables,
  where: (path: readonly PropertyKey[]) => string,
): ReadSettings {
  const sources = withOwnSources(values, tables);
  if (sources.problems.length > 0) {
    const texts = sources.problems.map(({ at, message }) => `${where(["sources", ...at])}: ${message}`);
    throw new ConfigError(texts.join("\n"));
  }
  const own = takeOwnArms(values, sources.tables, where);
  const schema = studySchemaOf(own.tables);
  const result = schema.safeParse(own.values);
  if (result.success) {
    return { tables: own.tables, config: checkMeaning(result.data, own.tables, where) };
  }
  const problems = result.error.issues.flatMap((issue) => explainIssue(issue, values, schema));
  throw new ConfigError(problems.map(({ at, message }) => `${where(at)}: ${message}`).join("\n"));
}

/**
 * The settings with the names of their own arms, and the tables with these arms.
 * @throws ConfigError for arms that cannot be trained
 */
function takeOwnArms(
  values: unknown,
  tables: StudyTables,
  where: (path: readonly PropertyKey[]) => string,
): { readonly values: unknown; readonly tables: StudyTables } {
  const listed = (values as { readonly arms?: unknown } | null)?.arms;
  if (!Array.isArray(listed)) return { values, tables };
  const arms: Record<string, Arm> = { ...tables.arms };
  const list = z.object({ arms: z.array(z.union([z.string(), ownArmSchemaOf(tables)])) });
  const problems: string[] = [];
  const names = listed.map((item: unknown, place) => {
    if (typeof item !== "object" || item === null) return item;
    const read = ownArmSchemaOf(tables).safeParse(item);
    if (!read.success) {
      for (const issue of read.error.issues) {
        const placed = { ...issue, path: ["arms", place, ...issue.path] };
        for (const { at, message } of explainIssue(placed, values, list))
          problems.push(`${where(at)}: ${message}`);
      }
      return null;
    }
    const arm = readOwnArm(read.data, { ...tables, arms });
    if ("at" in arm) problems.push(`${where(["arms", place, ...arm.at])}: ${arm.message}`);
    else arms[read.data.name] = arm;
    return read.data.name;
  });
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return { values: { ...(values as object), arms: names }, tables: { ...tables, arms } };
}

/** Rules that concern more than one setting. */
function checkMeaning(
  config: StudyConfig,
  tables: StudyTables,
  where: (path: readonly PropertyKey[]) => string,
): StudyConfig {
  const source = where([]);
  const repeated = (values: readonly unknown[]) => new Set(values).size !== values.length;
  for (const key of ["seeds", "arms", "detectors"] as const) {
    if (repeated(config[key])) {
      throw new ConfigError(
        `${source}: ${key} names something twice: [${config[key].join(", ")}]. List each once.`,
      );
    }
  }
  const { weights, train } = config.encoder;
  const frozen = config.arms.find((name) => armOf(name, tables.arms).objective === UNTRAINED);
  if (weights === undefined && (train === "frozen" || frozen !== undefined)) {
    const what = frozen === undefined ? '"encoder.train" is frozen' : `the arm "${frozen}" trains nothing`;
    throw new ConfigError(
      `${source}: ${what}, and there are no weights. Name published ones under "encoder.weights".`,
    );
  }
  checkShots(config, where);
  checkMemory(config, tables, where);
  checkStrengths(config, tables, where);
  checkNegativePrompts(config, tables, where);
  checkSift(config, tables, where);
  return config;
}

/** A memory that no arm's objective has a place for. */
function checkMemory(
  { arms, encoder }: StudyConfig,
  tables: StudyTables,
  where: (path: readonly PropertyKey[]) => string,
): void {
  const objectives = arms.map((name) => armOf(name, tables.arms).objective);
  if (encoder.memory === 0 || objectives.some((name) => tables.objectives[name]?.takesMemory)) return;
  const takers = Object.keys(tables.objectives).filter((name) => tables.objectives[name]?.takesMemory);
  throw new ConfigError(
    `${where(["encoder", "memory"])}: encoder.memory is ${encoder.memory}, and no arm of this study has a place for past projections: ${arms.map((name, place) => `"${name}" trains for ${objectives[place]}`).join(", ")}. Set it to 0, or add an arm that trains for ${takers.join(", ")}.`,
  );
}

/** The answer is about a number of shots that there is. */
function checkShots(config: StudyConfig, where: (path: readonly PropertyKey[]) => string): void {
  const { shots } = config.statistics;
  if (shots === "largest" || shotsOf(config).includes(shots)) return;
  throw new ConfigError(
    `${where(["statistics", "shots"])}: statistics.shots is ${shots}, which is not among split.shots: ${shotsOf(config).join(", ")}. Choose one of these, or "largest".`,
  );
}

/** A judge that learned from synthetic images would find them inside. */
function checkSift(
  { arms, sift, split }: StudyConfig,
  tables: StudyTables,
  where: (path: readonly PropertyKey[]) => string,
): void {
  const drawn = sourcesOf(arms, tables.arms, tables.sources);
  if (!needsJudges(drawn, tables.sources)) return;
  if (sourcesOf([sift.judge], tables.arms, tables.sources).length > 0) {
    throw new ConfigError(
      `${where(["sift", "judge"])}: sift.judge is "${sift.judge}", which learns from synthetic images itself. Choose an arm of real photos alone, such as cross-entropy.`,
    );
  }
  if (sift.folds > 1 && shotsOf({ split })[0]! < 2) {
    throw new ConfigError(
      `${where(["sift", "folds"])}: sift.folds is ${sift.folds} and split.shots has 1: nothing is left of a class to judge by without its object. Set sift.folds to 1, or split.shots to 2 or more.`,
    );
  }
}

/** The recipes that make images for the arms. */
function followedRecipes({ arms, redraw }: StudyConfig, tables: StudyTables): RecipeName[] {
  const drawn = sourcesOf(arms, tables.arms, tables.sources);
  return recipeNames.filter(
    (recipe) => drawn.includes(sourceOfRecipe(recipe)) && redraw.recipes[recipe].variants > 0,
  );
}

/** A strength that takes no step would make redraws without noise, which are the photos again. */
function checkStrengths(
  config: StudyConfig,
  tables: StudyTables,
  where: (path: readonly PropertyKey[]) => string,
): void {
  const { redraw } = config;
  for (const name of followedRecipes(config, tables)) {
    const weak = redraw.recipes[name].strengths.find((strength) => Math.floor(redraw.steps * strength) < 1);
    if (weak === undefined) continue;
    const path = ["redraw", "recipes", name, "strengths"];
    const least = smallestStrength(redraw.steps);
    throw new ConfigError(
      `${where(path)}: ${path.join(".")} has ${weak}, which takes no step of redraw.steps: ${redraw.steps}: its images would be the photos again. The smallest strength that takes one is ${least}; or set redraw.steps to ${Math.ceil(1 / weak)} or more.`,
    );
  }
}

/** Without guidance nothing leads away from a negative prompt: the control would be the redraws that it is held against. */
function checkNegativePrompts(
  config: StudyConfig,
  tables: StudyTables,
  where: (path: readonly PropertyKey[]) => string,
): void {
  const { redraw } = config;
  for (const name of followedRecipes(config, tables)) {
    const { negativePrompt, guidanceScale = redraw.guidanceScale } = redraw.recipes[name];
    const isGuided = name !== "unconditional" && [guidanceScale].flat().every((scale) => scale > 1);
    if (negativePrompt === undefined || isGuided) continue;
    const path = ["redraw", "recipes", name, "negativePrompt"];
    throw new ConfigError(
      `${where(path)}: ${path.join(".")} is "${negativePrompt}", and nothing would lead away from it: guidance does, above a scale of 1. ${name === "unconditional" ? "This recipe has none" : "Raise guidanceScale"}, or leave negativePrompt out.`,
    );
  }
}

/** Where a setting stands in the file: its key if it has one, else the section that it is missing from. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === last);
      if (pair && isNode(pair.key) && pair.key.range) return pair.key.range[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return undefined;
}
