import { describe, expect, it } from "vitest";
import { questionsOf } from "../../../src/results/index.ts";
import { designsOf } from "../../../src/study/arms/index.ts";
import { PRESETS, parseSettings, presetNames, withSettings } from "../../../src/study/config/index.ts";

const configured = parseSettings(
  { photos: "photos", seeds: [7], encoder: { steps: 900, batchSize: 16 } },
  "test",
);

describe.each(presetNames)("the preset %s", (name) => {
  const preset = PRESETS[name];
  const config = parseSettings(withSettings(configured, preset.settings), "command line");

  it("says what it is and chooses arms and seeds that a study takes", () => {
    expect(preset.description).toMatch(/^[A-Z].*[^.]$/);
    expect(config.arms).toEqual(preset.settings.arms);
    expect(config.seeds).toEqual(preset.settings.seeds);
  });

  it("asks whether negatives help, beside those that need no generator", () => {
    const asked = questionsOf(designsOf(config.arms)).map((question) => question.name);
    expect(asked.some((question) => question.startsWith("negatives: near-ood"))).toBe(true);
    expect(asked.some((question) => question.startsWith("negatives: collage"))).toBe(true);
  });

  it("leaves all else as it is configured", () => {
    expect(config.encoder.batchSize).toBe(16);
    expect(config.photos).toBe("photos");
    if (name !== "quick") expect(config.encoder.steps).toBe(900);
  });
});

it("presets do more and more", () => {
  const sizes = presetNames.map(
    (name) => PRESETS[name].settings.arms.length * PRESETS[name].settings.seeds.length,
  );
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
});
