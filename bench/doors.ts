// `node --import tsx --conditions=source bench/doors.ts MODEL PHOTOS [--count 200] [--files as-they-are|formats|views|sizes]
// [--python python3] [--chromium chromium]`: one classifier through each of its doors (library, command, HTTP, protocol
// v2, ONNX in Node, Python and Chromium): the same verdicts of the same objects, scores within 1e-4. `formats` writes the
// photos again, larger and in the kinds of files that cameras and scanners write; `views` takes the photos of a folder for
// views of one object, `sizes` too, each written again in another size. Ends with 1 where a door says something else. docs/export.md has what came out.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { groupBy, listPhotoFiles } from "../penumbra/src/data/index.ts";
import {
  exportOnnx,
  exportWebPage,
  judgeOnnx,
  loadClassifier,
  SERVICE_DEFAULTS,
  startService,
} from "../penumbra/src/deploy/index.ts";
import type { Answer } from "./doors/answer.ts";
import { judgeInChromium } from "./doors/chromium.ts";
import { writeInFormats, writeInSizes } from "./doors/formats.ts";

const LIMIT = 1e-4;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "200" },
    files: { type: "string", default: "as-they-are" },
    python: { type: "string", default: "python3" },
    chromium: { type: "string", default: "chromium" },
  },
});
const [model, place] = positionals;
if (!model || !place || !["as-they-are", "formats", "views", "sizes"].includes(values.files)) {
  process.stderr.write(
    "Give the classifier, a folder of photos, and --files as-they-are, formats, views or sizes.\n",
  );
  process.exit(2);
}

/** An object as every door is handed it. */
interface Shown {
  readonly photos: readonly string[];
  /** What is told apart in the table. */
  readonly kind: string;
}

const scratch = await mkdtemp(join(tmpdir(), "penumbra-doors-"));
const hasViews = values.files === "views" || values.files === "sizes";
const objects = await shownObjects(resolve(place), Number(values.count));
const onnx = join(scratch, "model.onnx");
const page = join(scratch, "page");
const inRepository = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Every door, in the order of the table. */
const doors: Readonly<Record<string, () => Promise<Answer[]>>> = {
  async library() {
    using classifier = loadClassifier(model);
    return await classifier.predict(objects.map(({ photos }) => photos));
  },
  async command() {
    const run = promisify(execFile);
    const named = hasViews
      ? objects.map(({ photos }) => dirname(photos[0]!))
      : objects.map(({ photos }) => photos[0]!);
    const command = [inRepository("penumbra/bin/penumbra.js"), "predict", model, ...named, "--json"];
    if (hasViews) command.push("--views");
    const { stdout } = await run(process.execPath, command, { maxBuffer: 2 ** 28 });
    return jsonLines<Answer & { class: string; verdict: string }>(stdout).map((line) => ({
      ...line,
      className: line.class,
      isUnknown: line.verdict === "unknown",
    }));
  },
  HTTP: () =>
    serving(async (url) => {
      const answers: Answer[] = [];
      for (const { photos } of objects) {
        const form = new FormData();
        for (const photo of photos) form.append("image", new Blob([await readFile(photo)]));
        const response = await fetch(`${url}/predict`, { method: "POST", body: form });
        answers.push((await response.json()) as Answer);
      }
      return answers;
    }),
  "protocol v2": () =>
    serving(async (url) => {
      const answers: Answer[] = [];
      for (let start = 0; start < objects.length; start += 5) {
        const some = objects.slice(start, start + 5);
        const files = some.flatMap(({ photos }) => photos);
        const data = await Promise.all(files.map(async (file) => (await readFile(file)).toString("base64")));
        const shape = [files.length];
        const of = some.flatMap(({ photos }, index) => photos.map(() => index));
        const inputs = [
          { name: "image", shape, datatype: "BYTES", data },
          ...(hasViews ? [{ name: "object", shape, datatype: "INT64", data: of }] : []),
        ];
        const response = await fetch(`${url}/v2/models/${basename(resolve(model))}/infer`, {
          method: "POST",
          body: JSON.stringify({ inputs }),
        });
        const { outputs } = (await response.json()) as { outputs: { name: string; data: never[] }[] };
        const told = (name: string) => outputs.find((output) => output.name === name)!.data;
        some.forEach((_, i) => {
          answers.push({
            className: told("class")[i]!,
            isUnknown: told("isUnknown")[i]!,
            confidence: told("confidence")[i]!,
            unknownScore: told("unknownScore")[i]!,
          });
        });
      }
      return answers;
    }),
  async "ONNX in Node"() {
    await exportOnnx(model, { out: onnx });
    return judgeOnnx(
      onnx,
      objects.map(({ photos }) => photos),
    );
  },
  async "ONNX in Python"() {
    const python = spawn(values.python, [inRepository("bench/doors/judge.py"), onnx], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    python.stdin.end(objects.map(({ photos }) => `${photos.join("\t")}\n`).join(""));
    return jsonLines<Answer>(await text(python.stdout));
  },
  async "ONNX in Chromium"() {
    await exportWebPage(model, { out: page });
    return judgeInChromium(
      page,
      objects.map(({ photos }) => photos),
      values.chromium,
    );
  },
};

let isSame = true;
try {
  let first: Answer[] | undefined;
  process.stdout.write(
    `| door | photos | objects | same verdicts | largest difference |\n|---|---|---|---|---|\n`,
  );
  for (const [name, judge] of Object.entries(doors)) {
    const answers = await judge();
    first ??= answers;
    const wanted = first;
    isSame &&= answers.length === objects.length;
    const kinds = groupBy([...objects.entries()], ([, { kind }]) => kind);
    for (const [kind, some] of kinds) {
      const pairs = some.map(([index]) => [answers[index]!, wanted[index]!] as const);
      const same = pairs.filter(
        ([a, b]) => a.className === b.className && a.isUnknown === b.isUnknown,
      ).length;
      const largest = Math.max(
        ...pairs.flatMap(([a, b]) => [
          Math.abs(a.confidence - b.confidence),
          Math.abs(a.unknownScore - b.unknownScore),
        ]),
      );
      process.stdout.write(
        `| ${name} | ${kind} | ${pairs.length} | ${same} | ${largest.toExponential(1)} |\n`,
      );
      isSame &&= same === pairs.length && largest <= LIMIT;
    }
  }
  const unknown = first!.filter((answer) => answer.isUnknown).length;
  process.stdout.write(`\n${unknown} of ${objects.length} objects are unknown.\n`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
if (!isSame) process.exitCode = 1;

/** As many objects as are wanted, from all over the folder. */
async function shownObjects(folder: string, count: number): Promise<Shown[]> {
  const files = await listPhotoFiles(folder);
  const whole = hasViews ? [...groupBy(files, dirname).values()] : files.map((file) => [file]);
  const step = Math.max(1, whole.length / count);
  const some = Array.from({ length: Math.min(whole.length, count) }, (_, i) => whole[Math.floor(i * step)]!);
  if (values.files === "formats") return writeInFormats(some.flat(), scratch);
  if (values.files === "sizes") return writeInSizes(some, scratch);
  return some.map((photos) => ({ photos, kind: hasViews ? "views of an object" : "as they are" }));
}

async function serving<T>(use: (url: string) => Promise<T>): Promise<T> {
  const service = await startService([model!], { ...SERVICE_DEFAULTS, port: 0 });
  try {
    return await use(service.url);
  } finally {
    await service.close();
  }
}

function jsonLines<Line>(output: string): Line[] {
  return output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}
