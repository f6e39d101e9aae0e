import { tensor } from "@penumbra/torch";
import { Random } from "@penumbra/torch/random";
import { describe, expect, it } from "vitest";
import { tellApart } from "../../../src/study/stages/audit.ts";

/** Features of images of some objects, each about its object's place, all moved by a trace of how they were made. */
function images(trace: number, seed: number) {
  const random = new Random(seed);
  const objects = Array.from({ length: 120 }, (_, i) => `object ${i % 12}`);
  const places = new Map(
    [...new Set(objects)].map((object) => [object, [0, 1, 2, 3].map(() => 3 * random.normal())]),
  );
  const rows = objects.map((object) =>
    [0, 1, 2, 3].map((d) => places.get(object)![d]! + random.normal() + (d === 0 ? trace : 0)),
  );
  return { rows: tensor(rows), objects };
}

describe("whether two kinds of images can be told apart", () => {
  it("is chance where both are alike, although every object has a place of its own", () => {
    expect(Math.abs(tellApart(images(0, 1), images(0, 1)) - 0.5)).toBeLessThan(0.01);
    expect(Math.abs(tellApart(images(0, 1), images(0, 2)) - 0.5)).toBeLessThan(0.25);
  });

  it("is certain where a trace gives the making away, and more so the stronger it is", () => {
    const [weak, strong] = [2, 30].map((trace) => tellApart(images(0, 1), images(trace, 1)));
    expect(weak).toBeGreaterThan(0.55);
    expect(strong).toBeGreaterThan(0.99);
    expect(strong).toBeGreaterThan(weak!);
  });
});
