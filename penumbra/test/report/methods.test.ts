import { describe, expect, it } from "vitest";
import { objectives } from "../../src/contrast/index.ts";
import { bibliography, REFERENCES, REFERENCES_OF, referencesOf } from "../../src/report/references.ts";
import { methodsParagraph } from "../../src/report/sections/methods.ts";
import { sources } from "../../src/study/sources/index.ts";
import { detectors } from "../../src/unknowns/index.ts";
import { exampleOutcome } from "./outcome.ts";

const outcome = exampleOutcome({ seeds: [0, 1, 2] });

describe("the sources of a study's methods", () => {
  it("are named for every built-in objective and detector but those that the field takes for granted", () => {
    const without = (names: readonly string[], table: keyof typeof REFERENCES_OF) =>
      names.filter((name) => REFERENCES_OF[table][name] === undefined);
    expect(without(Object.keys(objectives), "objectives")).toEqual(["cross-entropy"]);
    expect(without(Object.keys(detectors), "detectors")).toEqual(["entropy", "cosine-prototypes"]);
    // Faithful redraws are the model's own method; a round trip and a plain autoencoder are nobody's.
    const drawn = Object.keys(sources).filter((name) => !name.startsWith("sifted-"));
    expect(without(drawn, "sources")).toEqual([
      ...["faithful", "round-trip", "autoencoder-faithful", "autoencoder-near-ood"],
    ]);
    for (const [table, all] of [
      ["objectives", objectives],
      ["sources", sources],
      ["detectors", detectors],
    ] as const) {
      for (const name of Object.keys(REFERENCES_OF[table])) expect(Object.keys(all)).toContain(name);
    }
  });

  it("come once each, in well-formed entries with author, title and year", () => {
    const keys = referencesOf(outcome);
    expect(new Set(keys).size).toBe(keys.length);
    const text = bibliography(Object.keys(REFERENCES) as (keyof typeof REFERENCES)[]);
    expect(text.match(/{/g)).toHaveLength(text.match(/}/g)!.length);
    for (const entry of text.split(/^@/m).slice(1)) {
      for (const field of ["author", "title", "year"])
        expect(entry).toMatch(new RegExp(`^  ${field} = {.+},$`, "m"));
    }
  });
});

describe("the methods paragraph", () => {
  it("cites what is in the bibliography and nothing else, and says the study's own numbers", () => {
    const text = methodsParagraph(outcome);
    const cited = [...text.matchAll(/\\cite{([^}]*)}/g)].flatMap(([, keys = ""]) => keys.split(","));
    expect(new Set(cited)).toEqual(new Set(referencesOf(outcome)));
    expect(text).toMatch(/3 seeds, 4 objects of a class to learn from/);
    expect(text).toMatch(/resnet10, from random weights\) were trained for 240 steps/);
    expect(text).not.toMatch(/undefined|NaN|null/);
  });

  it("cites what boundary redraws come from where they are used, sifted too", () => {
    const boundary = { ...outcome.arms[0]!, negatives: "sifted-boundary" };
    const text = methodsParagraph({ ...outcome, arms: [boundary] });
    expect(text).toContain("sifted boundary redraws \\cite{yoon2024,du2023,liao2025,li2025}");
    expect(methodsParagraph(outcome)).not.toContain("yoon2024");
  });

  it("of a study without synthetic images or unknowns speaks of none", () => {
    const none = { classes: 0, objects: 0, photos: 0 };
    const text = methodsParagraph({
      ...outcome,
      arms: outcome.arms.slice(0, 1),
      model: null,
      hypotheses: [],
      photos: { ...outcome.photos, near: none, far: none },
    });
    expect(text).toContain("without unknown classes");
    expect(text).not.toMatch(/Redraws|Holm|use of negatives/);
  });
});
