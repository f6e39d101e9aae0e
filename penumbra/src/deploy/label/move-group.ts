import { cp, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ASIDE_ENDING, readJson, writeFileAtomic } from "../../files/index.ts";
import { DeployError, UNKNOWN } from "../classifier/index.ts";

/** Where a move is written down before it begins, in the folder of the unknowns. */
const JOURNAL = ".labelling.json";

/** One object on its way: a folder of views, or a single photo, becomes a folder. */
interface Step {
  readonly from: string;
  readonly to: string;
  readonly isFile: boolean;
}

/**
 * Moves objects into the folder of a class, all or none: what is to be done is written down first, so that after an
 * end amid it {@link finishMove} does the rest; where a step fails, those before it are taken back.
 *
 * @param root the folder of the unknowns
 * @param objects names of folders or photos in it
 * @param into the folder of the classes
 * @returns the folder of the class
 * @throws DeployError for a name that no class can have, and for an object that is not there
 */
export async function moveGroup(
  root: string,
  objects: readonly string[],
  into: string,
  className: string,
): Promise<string> {
  await requireClassName(className, into);
  if (objects.length === 0) throw new DeployError("No object was chosen. Choose at least one.");
  const folder = join(into, className);
  await mkdir(folder, { recursive: true });
  const taken = new Set(await readdir(folder));
  const steps: Step[] = [];
  for (const object of new Set(objects)) {
    if (object !== basename(object) || object.startsWith("."))
      throw new DeployError(`"${object}" is no object of ${root}.`);
    const from = join(root, object);
    const found = await stat(from).catch(() => undefined);
    if (!found) throw new DeployError(`"${object}" is no longer in ${root}. Load the page again.`);
    let name = found.isFile() ? object.replace(/\.[^.]*$/, "") : object;
    for (let number = 2; taken.has(name); number++) name = `${object}-${number}`;
    taken.add(name);
    steps.push({ from, to: join(folder, name), isFile: found.isFile() });
  }
  const journal = join(root, JOURNAL);
  await writeFileAtomic(journal, JSON.stringify(steps));
  const moved: Step[] = [];
  try {
    for (const step of steps) {
      await move(step);
      moved.push(step);
    }
  } catch (cause) {
    for (const { from, to, isFile } of moved.reverse()) await moveBack(to, from, isFile);
    await rm(journal, { force: true });
    throw cause;
  }
  await rm(journal);
  return folder;
}

/** Does the rest of a move that was cut off. @returns how many objects it was about; 0 where there was none */
export async function finishMove(root: string): Promise<number> {
  const journal = join(root, JOURNAL);
  if (!(await stat(journal).catch(() => undefined))) return 0;
  const steps = await readJson<Step[]>(journal);
  for (const step of steps) if (await stat(step.from).catch(() => undefined)) await move(step);
  await rm(journal);
  return steps.length;
}

/** A folder or photo takes its new place; on another disk a copy does, and then the old one goes. */
async function move({ from, to, isFile }: Step): Promise<void> {
  // Hidden: whoever scans the classes meanwhile, or after an end amid the copy, does not take a part for an object.
  const aside = join(dirname(to), `.${basename(to)}${ASIDE_ENDING}`);
  await rm(aside, { recursive: true, force: true });
  if (await stat(to).catch(() => undefined)) {
    await rm(from, { recursive: true }); // the copy was whole already: only whole ones take the name
    return;
  }
  if (isFile) {
    await mkdir(aside, { recursive: true });
    await cp(from, join(aside, basename(from)), { preserveTimestamps: true });
    await rename(aside, to);
    await rm(from);
    return;
  }
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await cp(from, aside, { recursive: true, preserveTimestamps: true });
    await rename(aside, to);
    await rm(from, { recursive: true });
  }
}

async function moveBack(to: string, from: string, isFile: boolean): Promise<void> {
  await cp(isFile ? join(to, basename(from)) : to, from, { recursive: true, preserveTimestamps: true });
  await rm(to, { recursive: true });
}

/** @throws DeployError for a name that no folder of a class can have, or that reads like another class's */
async function requireClassName(name: string, into: string): Promise<void> {
  const fail = (why: string): never => {
    throw new DeployError(`A class cannot be called "${name}": ${why}.`);
  };
  if (name.trim() === "") fail("it needs a name");
  if (name !== name.trim()) fail("leave out the spaces at its ends");
  if (name.length > 100) fail("the name is longer than 100 characters");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  if (/[/\\:*?"<>|\u0000-\u001f]/.test(name) || name.startsWith("."))
    fail('leave out / \\ : * ? " < > | and a dot at the front: it becomes a folder');
  if (name.toLowerCase() === UNKNOWN) fail("that is the verdict of objects of no known class");
  const folded = (text: string) => text.normalize("NFKC").trim().toLowerCase();
  const classes = await readdir(into).catch(() => []);
  const twin = classes.find((other) => other !== name && folded(other) === folded(name));
  if (twin !== undefined) fail(`there is "${twin}" already. Write it the same, or take another name`);
}

/** The classes that there are: folders in the folder of classes. */
export async function classesIn(into: string): Promise<string[]> {
  const entries = await readdir(into, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
    .map(({ name }) => name)
    .sort();
}

/** A folder beside the unknowns, where no other is named. */
export function besideOf(root: string): string {
  return join(dirname(root), `${basename(root)}-labelled`);
}
