// `node --import tsx --conditions=source bench/doors.ts MODEL PHOTOS [--count 200] [--python python3] [--chromium chromium]`:
// one classifier through each of its doors (library, command, HTTP, protocol v2, ONNX in Node, Python and Chromium): the
// same verdicts of the same photos, scores within 1e-4. Ends with 1 where a door says something else. docs/export.md has
// what came out.
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { listPhotoFiles } from "../penumbra/src/data/index.ts";
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

const LIMIT = 1e-4;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "200" },
    python: { type: "string", default: "python3" },
    chromium: { type: "string", default: "chromium" },
  },
});
const [model, place] = positionals;
if (!model || !place) {
  process.stderr.write("Give the classifier and a folder of photos.\n");
  process.exit(2);
}

const all = await listPhotoFiles(resolve(place));
const step = Math.max(1, all.length / Number(values.count));
const photos = Array.from(
  { length: Math.min(all.length, Number(values.count)) },
  (_, i) => all[Math.floor(i * step)]!,
);
const scratch = await mkdtemp(join(tmpdir(), "penumbra-doors-"));
const onnx = join(scratch, "model.onnx");
const page = join(scratch, "page");
const inRepository = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Every door, in the order of the table. */
const doors: Readonly<Record<string, () => Promise<Answer[]>>> = {
  async library() {
    using classifier = loadClassifier(model);
    return await classifier.predict(photos);
  },
  async command() {
    const run = promisify(execFile);
    const command = [inRepository("penumbra/bin/penumbra.js"), "predict", model, ...photos, "--json"];
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
      for (const photo of photos) {
        const headers = { "content-type": "application/octet-stream" };
        const response = await fetch(`${url}/predict`, {
          method: "POST",
          headers,
          body: await readFile(photo),
        });
        answers.push((await response.json()) as Answer);
      }
      return answers;
    }),
  "protocol v2": () =>
    serving(async (url) => {
      const answers: Answer[] = [];
      for (let start = 0; start < photos.length; start += 25) {
        const some = photos.slice(start, start + 25);
        const data = await Promise.all(some.map(async (photo) => (await readFile(photo)).toString("base64")));
        const body = { inputs: [{ name: "image", shape: [some.length], datatype: "BYTES", data }] };
        const response = await fetch(`${url}/v2/models/${basename(resolve(model))}/infer`, {
          method: "POST",
          body: JSON.stringify(body),
        });
        const { outputs } = (await response.json()) as { outputs: { name: string; data: never[] }[] };
        const of = (name: string) => outputs.find((output) => output.name === name)!.data;
        some.forEach((_, i) => {
          answers.push({
            className: of("class")[i]!,
            isUnknown: of("isUnknown")[i]!,
            confidence: of("confidence")[i]!,
            unknownScore: of("unknownScore")[i]!,
          });
        });
      }
      return answers;
    }),
  async "ONNX in Node"() {
    await exportOnnx(model, { out: onnx });
    return judgeOnnx(onnx, photos);
  },
  async "ONNX in Python"() {
    const python = spawn(values.python, [inRepository("bench/doors/judge.py"), onnx], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    python.stdin.end(`${photos.join("\n")}\n`);
    return jsonLines<Answer>(await text(python.stdout));
  },
  async "ONNX in Chromium"() {
    await exportWebPage(model, { out: page });
    return judgeInChromium(page, photos, values.chromium);
  },
};

let isSame = true;
try {
  let first: Answer[] | undefined;
  process.stdout.write(`| door | photos | same verdicts | largest difference |\n|---|---|---|---|\n`);
  for (const [name, judge] of Object.entries(doors)) {
    const answers = await judge();
    first ??= answers;
    const wanted = first;
    const same = answers.filter(
      ({ className, isUnknown }, i) =>
        className === wanted[i]!.className && isUnknown === wanted[i]!.isUnknown,
    ).length;
    const largest = answers.reduce(
      (most, answer, i) =>
        Math.max(
          most,
          Math.abs(answer.confidence - wanted[i]!.confidence),
          Math.abs(answer.unknownScore - wanted[i]!.unknownScore),
        ),
      0,
    );
    process.stdout.write(`| ${name} | ${answers.length} | ${same} | ${largest.toExponential(1)} |\n`);
    isSame &&= answers.length === photos.length && same === photos.length && largest <= LIMIT;
  }
  const unknown = first!.filter((answer) => answer.isUnknown).length;
  process.stdout.write(`\n${unknown} of ${photos.length} photos are unknown.\n`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
if (!isSame) process.exitCode = 1;

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
