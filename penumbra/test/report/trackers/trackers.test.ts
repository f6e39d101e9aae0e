import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LiveTensorBoard, writeMlflow, writeTensorBoard } from "../../../src/report/index.ts";
import { crc32c, record } from "../../../src/report/trackers/records.ts";
import { trackedRuns } from "../../../src/report/trackers/tracked.ts";
import { exampleOutcome, examplePng } from "../outcome.ts";

/** The last arm alone: every figure is a file for mlflow. */
const example = exampleOutcome();
const outcome = { ...example, arms: example.arms.filter(({ name }) => name.startsWith("supcon+b")) };
let run: string;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "penumbra-trackers-"));
  run = join(folder, "parts");
  await mkdir(run);
  await writeFile(join(run, "report.json"), JSON.stringify(outcome));
  for (const name of ["report.html", "results.jsonl"]) await writeFile(join(run, name), name);
  for (let index = 0; index < 24; index++) {
    await writeFile(join(run, `picture-${index}.png`), pngOf(`picture-${index}.png`));
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function pngOf(path: string): Buffer {
  return Buffer.from(examplePng(path).split(",")[1] ?? "", "base64");
}

/** The records of a file whose checksums are right. */
function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.subarray(at, at + 16 + length)).toEqual(Buffer.from(record(data)));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

/** Fields of a protobuf message, by number. */
function fieldsOf(message: Buffer): Map<number, (bigint | Buffer)[]> {
  const fields = new Map<number, (bigint | Buffer)[]>();
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number) => {
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const value =
      (tag & 7) === 0 ? varint() : take((tag & 7) === 1 ? 8 : (tag & 7) === 5 ? 4 : Number(varint()));
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

const bytes = (fields: ReturnType<typeof fieldsOf>, field: number) => fields.get(field)?.[0] as Buffer;

/** Step, tag and value or image of an event. */
function summaryOf(event: Buffer) {
  const fields = fieldsOf(event);
  const value = fieldsOf(bytes(fieldsOf(bytes(fields, 5)), 1));
  return {
    step: Number(fields.get(2)?.[0]),
    tag: bytes(value, 1).toString(),
    value: value.has(2) ? bytes(value, 2).readFloatLE() : null,
    image: value.has(4) ? fieldsOf(bytes(value, 4)) : null,
  };
}

describe("TensorBoard while a study runs", () => {
  it("draws the losses of each training, at most twice a second, until the whole files take their place", async () => {
    const logs = join(folder, "live");
    let now = 1_700_000_000_000;
    const live = new LiveTensorBoard(run, logs, () => now);
    for (let step = 1; step <= 10; step++) {
      live.step("supcon+both, seed 0", step, 5 - step / 10);
      live.step("supcon+both, seed 1, 2 shots", step, 4);
      now += 200;
    }
    const place = join(logs, "parts", "supcon+both", "seed-0");
    const [file = ""] = await readdir(place);
    const [version, ...steps] = recordsOf(await readFile(join(place, file))).map(fieldsOf);
    expect((version!.get(3)![0] as Buffer).toString()).toBe("brain.Event:2");
    expect(steps.map((event) => Number(event.get(2)![0]))).toEqual([1, 4, 7, 10]);
    expect(await readdir(join(logs, "parts", "supcon+both", "2-shots", "seed-1"))).toHaveLength(1);
    const paths = await writeTensorBoard(run, logs, async (path) => pngOf(path));
    expect((await readdir(place)).map((name) => join(place, name))).toEqual([
      paths.find((path) => path.startsWith(`${place}/`)),
    ]);
  });
});

describe("a record", () => {
  it("has the checksums of RFC 3720", () => {
    const of = (values: Iterable<number>) => crc32c(Uint8Array.from(values)).toString(16);
    const rising = Array.from({ length: 32 }, (_, index) => index);
    expect(of(Buffer.from("123456789"))).toBe("e3069283");
    expect(of(new Uint8Array(32))).toBe("8a9136aa");
    expect(of(new Uint8Array(32).fill(0xff))).toBe("62a8ab43");
    expect(of(rising)).toBe("46dd794e");
    expect(of(rising.toReversed())).toBe("113fdb5c");
  });
});

describe("for TensorBoard", () => {
  it("every arm and seed is a run with its curve and its figures on the test", async () => {
    const paths = await writeTensorBoard(run, join(folder, "board"), async (path) => pngOf(path));
    expect(paths).toHaveLength(outcome.arms.length * outcome.seeds.length + 1);
    const path = paths.find((one) => one.includes(join("parts", "supcon+both", "seed-1"))) ?? "";
    const [version, ...events] = recordsOf(await readFile(path));
    expect(bytes(fieldsOf(version!), 3).toString()).toBe("brain.Event:2");
    expect(bytes(fieldsOf(version!), 1).readDoubleLE()).toBe(Date.parse(outcome.createdAt) / 1000);
    const summaries = events.map(summaryOf);
    const loss = summaries.filter(({ tag }) => tag === "train/loss");
    const curve = outcome.curves.find(({ arm, seed }) => arm === "supcon+both" && seed === 1)!;
    expect(loss.map(({ step, value }) => [step, value])).toEqual(
      curve.points.map((point) => [point.step, Math.fround(point.loss)]),
    );
    expect(summaries.filter(({ tag }) => tag === "photos/validation/accuracy")).toHaveLength(12);
    const line = outcome.results.find(
      (one) =>
        one.kind === "unknowns" && one.arm === "supcon+both" && one.seed === 1 && one.unknownClass === null,
    ) as { auroc: number };
    expect(summaries.find(({ tag }) => tag === "test/photo/near/auroc/msp")).toMatchObject({
      step: curve.keptStep,
      value: Math.fround(line.auroc),
    });
  });

  it("photos stand beside their redraws, as PNG with their size", async () => {
    const paths = await writeTensorBoard(run, join(folder, "board"), async (path) => pngOf(path));
    const [, ...events] = recordsOf(await readFile(paths.at(-1) ?? ""));
    const images = events.map(summaryOf);
    expect(images.map(({ tag }) => tag)).toContain(`${outcome.sheet[0]!.className}/1 faithful 0.20`);
    expect(images).toHaveLength(1 + outcome.sheet.reduce((sum, { redraws }) => sum + 1 + redraws.length, 0));
    const photo = images.find(({ tag }) => tag === `${outcome.sheet[0]!.className}/photo`)?.image;
    expect([photo?.get(1), photo?.get(2)]).toEqual([[32n], [32n]]);
    expect(bytes(photo!, 4)).toEqual(pngOf(outcome.sheet[0]!.photo));
  });

  it("a study that is written again takes the place of what was there, and of nothing else", async () => {
    const board = join(folder, "board");
    const own = join(board, "parts", "supcon+both", "seed-0");
    await writeFile(join(own, "events.out.tfevents.1.penumbra"), "old");
    await writeFile(join(own, "events.out.tfevents.1.other"), "other");
    const paths = await writeTensorBoard(run, board, async (path) => pngOf(path));
    const names = (await readdir(own)).sort();
    expect(names).toEqual(
      [
        "events.out.tfevents.1.other",
        paths.find((path) => path.startsWith(own))!.slice(own.length + 1),
      ].sort(),
    );
  });
});

describe("for mlflow", () => {
  it("every arm and seed is a run below that of the study, with parameters and figures", async () => {
    const place = await writeMlflow(run, join(folder, "mlruns"));
    const fields = async (...path: string[]) =>
      Object.fromEntries(
        (await readFile(join(place, ...path), "utf8"))
          .trimEnd()
          .split("\n")
          .map((line) => {
            const [, key = "", value = ""] = /^(\w+): (.*)$/.exec(line) ?? [];
            return [key, JSON.parse(value)];
          }),
      );
    expect(await fields("meta.yaml")).toMatchObject({ name: "parts", lifecycle_stage: "active" });
    const ids = (await readdir(place)).filter((name) => name !== "meta.yaml");
    expect(ids).toHaveLength(outcome.arms.length * outcome.seeds.length + 1);
    const runs = await Promise.all(ids.map((id) => fields(id, "meta.yaml")));
    const parent = runs.find(({ run_name }) => run_name === "parts") ?? {};
    const child = runs.find(({ run_name }) => run_name === "supcon+both, seed 1") ?? {};
    expect(child).toMatchObject({ status: 3, end_time: Date.parse(outcome.createdAt) });
    const text = (...path: string[]) => readFile(join(place, ...path), "utf8");
    expect(await text(child.run_id, "tags", "mlflow.parentRunId")).toBe(parent.run_id);
    for (const part of ["artifacts", "metrics", "params", "tags"]) {
      expect(await readdir(join(place, parent.run_id))).toContain(part); // else it is no run to mlflow
    }
    expect(await text(child.run_id, "params", "negatives")).toBe("near-ood");
    const tracked = trackedRuns(outcome).find(({ arm, seed }) => arm === "supcon+both" && seed === 1)!;
    for (const { name, points } of tracked.figures) {
      const lines = (await text(child.run_id, "metrics", name)).trimEnd().split("\n");
      expect(lines.map((line) => line.split(" ").slice(1).map(Number))).toEqual(
        points.map(({ step, value }) => [value, step]),
      );
    }
    const artifacts = fileURLToPath(parent.artifact_uri);
    expect(await readFile(join(artifacts, "report.html"), "utf8")).toBe("report.html");
    expect(await readFile(join(artifacts, "study.yaml"), "utf8")).toBe(outcome.configuration);
    expect(await readFile(join(artifacts, outcome.sheet[0]!.photo))).toEqual(pngOf(outcome.sheet[0]!.photo));
  });

  it("is the same folder again when it is written again, and refuses a run without its report", async () => {
    const mlruns = join(folder, "mlruns");
    const all = async () => (await readdir(mlruns, { recursive: true })).sort();
    await writeMlflow(run, mlruns);
    const before = await all();
    await writeMlflow(run, mlruns);
    expect(await all()).toEqual(before);
    await rm(join(run, "report.html"));
    await expect(writeMlflow(run, mlruns)).rejects.toThrow(
      /report\.html cannot be copied.*Run the study again/s,
    );
  });
});
