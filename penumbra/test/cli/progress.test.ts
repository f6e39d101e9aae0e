import { describe, expect, it } from "vitest";
import { StageLines, shortDuration } from "../../src/cli/progress.ts";
import type { StageEvent } from "../../src/study/index.ts";

const stage = { stage: "words", label: "seed 0", hash: "ab" };

function record(
  isTTY: boolean,
  script: (emit: (event: StageEvent) => void, wait: (seconds: number) => void) => void,
) {
  let text = "";
  let clock = 0;
  const lines = new StageLines({ isTTY, columns: 100, write: (part) => (text += part) }, 12, () => clock);
  script(lines.onEvent, (seconds) => {
    clock += seconds * 1000;
  });
  lines.close();
  return text;
}

const run = (emit: (event: StageEvent) => void, wait: (seconds: number) => void) => {
  emit({ ...stage, event: "reused" });
  emit({ ...stage, event: "reused" });
  emit({ ...stage, event: "start", isResumed: false });
  emit({ ...stage, event: "progress", done: 0, total: 1000, unit: "steps" });
  wait(20);
  emit({ ...stage, event: "progress", done: 400.7, total: 1000, unit: "steps" }); // redraws count steps as parts of images
  wait(30);
  emit({ ...stage, event: "done", seconds: 50 });
};

describe("the lines of stages", () => {
  it("off a terminal are whole lines, one per stage, without control characters", () => {
    expect(record(false, run).split("\n")).toEqual([
      "[ 2/12] 2 stages are kept from an earlier run",
      "[ 3/12] words     seed 0                   50 s",
      "",
    ]);
  });

  it("on a terminal rewrite one line with progress, rate and time left", () => {
    const text = record(true, run);
    expect(text).toContain(
      "\r[ 3/12] words     seed 0                   400/1000 steps  20.0 steps/s  30 s left\u001b[K",
    );
    expect(text.endsWith("\r\u001b[K[ 3/12] words     seed 0                   50 s\n")).toBe(true);
  });

  it("off a terminal give a sign of life in a long stage", () => {
    const text = record(false, (emit, wait) => {
      emit({ ...stage, event: "start", isResumed: false });
      emit({ ...stage, event: "progress", done: 0, total: 90, unit: "steps" });
      for (let done = 1; done <= 90; done++) {
        wait(1);
        emit({ ...stage, event: "progress", done, total: 90, unit: "steps" });
      }
      emit({ ...stage, event: "done", seconds: 90 });
    });
    expect(text.split("\n").filter((line) => line.includes("steps/s"))).toHaveLength(3);
  });

  it("tell of stages that are made side by side in one line, and of each when it is done", () => {
    const other = { stage: "encoder", label: "supcon, seed 1", hash: "cd" };
    const text = record(true, (emit, wait) => {
      emit({ ...stage, event: "start", isResumed: false });
      emit({ ...other, event: "start", isResumed: false });
      wait(1);
      emit({ ...stage, event: "progress", done: 250, total: 1000, unit: "steps" });
      wait(1);
      emit({ ...other, event: "progress", done: 60, total: 120, unit: "steps" });
      emit({ ...stage, event: "done", seconds: 2 });
      wait(1);
      emit({ ...other, event: "progress", done: 90, total: 120, unit: "steps" });
      emit({ ...other, event: "done", seconds: 3 });
    });
    expect(text).toContain("\r[ 0/12] 2 at work: words seed 0 25 % · encoder supcon, seed 1 50 %\u001b[K");
    expect(text).toContain("\r\u001b[K[ 1/12] words     seed 0                   2.0 s\n");
    expect(text).toMatch(/\[ 2\/12\] encoder {3}supcon, seed 1 {11}90\/120 steps/);
    expect(text.endsWith("[ 2/12] encoder   supcon, seed 1           3.0 s\n")).toBe(true);
  });

  it("say when a stage is made again, and why", () => {
    const text = record(false, (emit) =>
      emit({ ...stage, event: "damaged", reason: "words.safetensors is missing" }),
    );
    expect(text).toContain("is made again: words.safetensors is missing");
  });
});

describe("a short duration", () => {
  it.each([
    [0.42, "0.4 s"],
    [38.4, "38 s"],
    [245, "4:05 min"],
    [3599.6, "1:00 h"],
    [7800, "2:10 h"],
  ])("of %f seconds is %s", (seconds, text) => expect(shortDuration(seconds)).toBe(text));
});
