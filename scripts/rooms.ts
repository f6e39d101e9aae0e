// The one-way import rule as a check: `node --import tsx scripts/rooms.ts` fails when a room imports what it may not.
// ARCHITECTURE.md has the picture; this table is what is enforced.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const BELOW_STUDY = [
  "torch",
  "files",
  "hub",
  "models",
  "images",
  "data",
  "diffusion",
  "generators",
  "contrast",
  "unknowns",
  "sift",
  "quality",
  "results",
  "deploy",
];

interface Room {
  readonly name: string;
  readonly folder: string;
  readonly may: readonly string[];
}

/**
 * Every room from the bottom of the house to its top: its folder, and the rooms that it may import. The rooms of
 * one workspace are imported through their index.ts, the engine as the package @penumbra/torch. A room within another
 * has a line of its own: a file belongs to the innermost.
 */
export const ROOMS: readonly Room[] = [
  { name: "torch", folder: "torch/src", may: [] },
  { name: "files", folder: "penumbra/src/files", may: [] },
  { name: "hub", folder: "penumbra/src/hub", may: ["files"] },
  { name: "results", folder: "penumbra/src/results", may: ["files"] },
  { name: "models", folder: "penumbra/src/models", may: ["torch", "files", "hub"] },
  { name: "images", folder: "penumbra/src/images", may: ["torch", "files"] },
  { name: "data", folder: "penumbra/src/data", may: ["torch", "files", "images", "results"] },
  {
    name: "diffusion/model",
    folder: "penumbra/src/diffusion/model",
    may: ["torch", "files", "hub", "models"],
  },
  {
    name: "diffusion/samplers",
    folder: "penumbra/src/diffusion/samplers",
    may: ["torch", "models", "diffusion/model"],
  },
  {
    name: "diffusion/words",
    folder: "penumbra/src/diffusion/words",
    may: ["torch", "models", "images", "diffusion/model", "diffusion/samplers"],
  },
  {
    name: "diffusion/redraw/recipes",
    folder: "penumbra/src/diffusion/redraw/recipes",
    may: ["torch", "images", "data", "diffusion/model", "diffusion/words"],
  },
  {
    name: "diffusion/redraw",
    folder: "penumbra/src/diffusion/redraw",
    may: [
      "torch",
      "models",
      "images",
      "data",
      "diffusion/model",
      "diffusion/samplers",
      "diffusion/words",
      "diffusion/redraw/recipes",
    ],
  },
  {
    name: "diffusion/draw",
    folder: "penumbra/src/diffusion/draw",
    may: ["torch", "files", "images", "diffusion/model", "diffusion/samplers"],
  },
  {
    name: "diffusion",
    folder: "penumbra/src/diffusion",
    may: ["diffusion/model", "diffusion/samplers", "diffusion/words", "diffusion/redraw", "diffusion/draw"],
  },
  { name: "quality", folder: "penumbra/src/quality", may: ["torch"] },
  {
    name: "generators",
    folder: "penumbra/src/generators",
    may: ["torch", "files", "models", "images", "data", "diffusion", "quality"],
  },
  { name: "contrast", folder: "penumbra/src/contrast", may: ["torch", "files", "models", "images", "data"] },
  { name: "unknowns", folder: "penumbra/src/unknowns", may: ["torch"] },
  { name: "sift", folder: "penumbra/src/sift", may: ["torch", "unknowns"] },
  {
    name: "deploy/classifier",
    folder: "penumbra/src/deploy/classifier",
    may: ["torch", "files", "images", "data", "models", "contrast", "unknowns", "results"],
  },
  {
    name: "deploy/page",
    folder: "penumbra/src/deploy/page",
    may: [],
  },
  {
    name: "deploy/serve",
    folder: "penumbra/src/deploy/serve",
    may: ["torch", "files", "images", "contrast", "deploy/classifier", "deploy/page"],
  },
  {
    name: "deploy/label",
    folder: "penumbra/src/deploy/label",
    may: ["torch", "files", "images", "data", "contrast", "deploy/classifier"],
  },
  {
    name: "deploy/export",
    folder: "penumbra/src/deploy/export",
    may: [
      "torch",
      "files",
      "images",
      "data",
      "models",
      "contrast",
      "unknowns",
      "deploy/classifier",
      "deploy/page",
    ],
  },
  {
    name: "deploy",
    folder: "penumbra/src/deploy",
    may: ["deploy/classifier", "deploy/label", "deploy/serve", "deploy/export"],
  },
  // Results are plain data: whoever reads them must never pull in the engine.
  {
    name: "study/sources",
    folder: "penumbra/src/study/sources",
    may: ["torch", "files", "images", "data", "diffusion", "generators"],
  },
  {
    name: "study/arms",
    folder: "penumbra/src/study/arms",
    may: ["files", "contrast", "results", "study/sources"],
  },
  {
    name: "study/config",
    folder: "penumbra/src/study/config",
    may: [...BELOW_STUDY, "study/sources", "study/arms"],
  },
  { name: "study/store", folder: "penumbra/src/study/store", may: ["files", "results"] },
  {
    name: "study/stages",
    folder: "penumbra/src/study/stages",
    may: [...BELOW_STUDY, "study/sources", "study/arms", "study/config", "study/store"],
  },
  {
    name: "study/jobs",
    folder: "penumbra/src/study/jobs",
    may: [...BELOW_STUDY, "study/sources", "study/arms", "study/config", "study/store", "study/stages"],
  },
  {
    name: "study/conclude",
    folder: "penumbra/src/study/conclude",
    may: [...BELOW_STUDY, "study/sources", "study/arms", "study/config", "study/store", "study/stages"],
  },
  {
    name: "study",
    folder: "penumbra/src/study",
    may: [
      ...BELOW_STUDY,
      "study/sources",
      "study/arms",
      "study/config",
      "study/store",
      "study/stages",
      "study/jobs",
      "study/conclude",
    ],
  },
  { name: "report", folder: "penumbra/src/report", may: ["files", "results"] },
  { name: "cli", folder: "penumbra/src/cli", may: [...BELOW_STUDY, "study", "report"] },
];

/** Packages that only one room may know: what they do is that room's purpose. */
export const PACKAGE_OWNERS: Readonly<Record<string, string>> = {
  pdfkit: "report",
  sharp: "images",
  "umap-js": "contrast",
  commander: "cli",
  "onnxruntime-node": "deploy/export",
  "onnxruntime-web": "deploy/export",
  "@huggingface/hub": "hub",
};

/** The part of the engine that every room may know: plain TypeScript, without libtorch behind it. */
const PLAIN_PART = "@penumbra/torch/random";

const STATIC_IMPORT = /^[ \t]*(?:import|export)\b(?:[^"'`;]*?\bfrom)?\s*["']([^"']+)["']/gm;
const DYNAMIC_IMPORT = /\b(?:import|require)\(\s*["']([^"']+)["']\s*\)/g;

/** The modules that a source file names, with the line of each; those in comments do not count. */
export function importsOf(text: string): { module: string; line: number }[] {
  const found: { module: string; line: number }[] = [];
  for (const pattern of [STATIC_IMPORT, DYNAMIC_IMPORT]) {
    for (const match of text.matchAll(pattern)) {
      const line = text.slice(text.lastIndexOf("\n", match.index) + 1, match.index).trimStart();
      if (line.startsWith("*") || line.startsWith("//") || line.startsWith("/*")) continue;
      const module = match[1] ?? "";
      const moduleAt = match.index + match[0].indexOf(module);
      found.push({ module, line: text.slice(0, moduleAt).split("\n").length });
    }
  }
  return found;
}

/** Every import under `root` that breaks the rule, as "file:line: what is wrong and what to do". */
export function violations(root: string): string[] {
  return ROOMS.flatMap((room) =>
    sourceFiles(join(root, room.folder))
      .filter((file) => roomOf(root, file) === room)
      .flatMap((file) =>
        importsOf(readFileSync(file, "utf8")).flatMap(({ module, line }) => {
          const wrong = judge(root, room, file, module);
          return wrong ? [`${slashes(relative(root, file))}:${line}: ${wrong}`] : [];
        }),
      ),
  );
}

/**
 * Files of Penumbra that import each other in a circle, as "file: with which it does". Types count: a file is understood
 * after those that it names. The engine is left out: the class of tensors and what makes it up need each other.
 */
export function circles(root: string): string[] {
  const files = sourceFiles(join(root, "penumbra", "src"));
  const left = new Map(
    files.map((file) => [
      file,
      importsOf(readFileSync(file, "utf8"))
        .filter(({ module }) => module.startsWith("."))
        .map(({ module }) => resolve(dirname(file), module)),
    ]),
  );
  // What imports no file that is left, or is imported by none, lies on no circle.
  for (let before = -1; before !== left.size; ) {
    before = left.size;
    const imported = new Set([...left.values()].flat());
    for (const [file, targets] of left) {
      if (!imported.has(file) || !targets.some((target) => left.has(target))) left.delete(file);
    }
  }
  const name = (file: string) => slashes(relative(root, file));
  return [...left].map(([file, targets]) => {
    const others = targets.filter((target) => left.has(target)).map(name);
    return `${name(file)}: lies on a circle of imports with ${others.join(", ")}; move what both need into a file of its own`;
  });
}

/** The innermost room that a path lies in. */
function roomOf(root: string, path: string): Room | undefined {
  return ROOMS.filter(({ folder }) => isInside(path, join(root, folder))).reduce<Room | undefined>(
    (inner, room) => (inner && inner.folder.length > room.folder.length ? inner : room),
    undefined,
  );
}

function judge(root: string, room: Room, file: string, module: string): string | undefined {
  if (!module.startsWith(".")) return judgePackage(room, module);
  const target = resolve(dirname(file), module);
  const other = roomOf(root, target);
  if (other === room) return undefined;
  if (!other)
    return isAllowedOutside(root, room, target) ? undefined : `"${module}" lies in no room; move it into one`;
  if (other.name === "torch") return `imports the engine by path ("${module}"); import "@penumbra/torch"`;
  if (!room.may.includes(other.name)) return notAllowed(room, other.name);
  const index = join(root, other.folder, "index.ts");
  return target === index ? undefined : `reaches into ${other.name}/ ("${module}"); import its index.ts`;
}

function judgePackage(room: Room, module: string): string | undefined {
  if (module === PLAIN_PART && room.name !== "torch") return undefined;
  if (module === "@penumbra/torch" || module.startsWith("@penumbra/torch/")) {
    if (room.name === "torch") return `the engine imports itself as a package; use a relative path`;
    return room.may.includes("torch") ? undefined : notAllowed(room, "torch");
  }
  if (module === "penumbra" || module.startsWith("penumbra/")) {
    return room.name === "torch"
      ? "the engine may not import penumbra"
      : "import the room, not the whole package";
  }
  const owner = PACKAGE_OWNERS[module];
  return owner && owner !== room.name ? `only ${owner}/ may import the package "${module}"` : undefined;
}

/** package.json is data, not a room. */
function isAllowedOutside(root: string, room: Room, target: string): boolean {
  const workspace = join(root, room.folder.split("/")[0] ?? "");
  return target === join(workspace, "package.json");
}

function notAllowed(room: Room, other: string): string {
  const allowed = room.may.length > 0 ? room.may.join(", ") : "no other room";
  return `${room.name}/ may not import ${other} (it may import ${allowed}); move the code up or down`;
}

function sourceFiles(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder, { recursive: true, encoding: "utf8" });
  } catch {
    return []; // a room that is not built yet
  }
  return entries
    .filter((name) => /\.(ts|mts|js|mjs)$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}

function slashes(path: string): string {
  return path.split(sep).join("/");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
  const found = [...violations(root), ...circles(root)];
  for (const line of found) console.error(line);
  if (found.length > 0)
    console.error(`${found.length} imports break the one-way rule (see ARCHITECTURE.md).`);
  process.exitCode = found.length > 0 ? 1 : 0;
}
