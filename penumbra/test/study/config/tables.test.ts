import { nn } from "@penumbra/torch";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { crossEntropy, defineObjective, objectives } from "../../../src/contrast/index.ts";
import { usualArms } from "../../../src/study/arms/index.ts";
import {
  parseSettings,
  studyJsonSchema,
  studySchemaOf,
  TABLES,
  TableError,
  tablesWith,
} from "../../../src/study/config/index.ts";
import { settingsAt } from "../../../src/study/config/schema.ts";
import { detectors, usualDetectors } from "../../../src/unknowns/index.ts";

const plain = defineObjective({
  title: "Plain",
  description: "Cross-entropy with a setting of its own",
  settings: z.strictObject({ weight: z.number().positive().meta({ description: "Its weight" }).default(2) }),
  negatives: {},
  needsNegativeLabels: () => false,
  makeHead: ({ dimensions, classes }) => new nn.Linear(dimensions, classes),
  loss: ({ rows, labels }, { weight }) => crossEntropy(rows, labels).mul(weight),
  plateau: ({ classes }, { weight }) => weight * Math.log(classes),
  collapseRemedy: "Train for more steps.",
});

const arm = { title: "Plain", description: "A loss of one's own", objective: "plain", positives: null };
const tables = tablesWith({
  objectives: { plain },
  arms: { plain: { ...arm, negatives: null, use: null } },
  detectors: { softest: { ...detectors.msp, title: "Softest" } },
});

describe("tables with entries of one's own", () => {
  it("give the configuration their names, sections and defaults", () => {
    const config = parseSettings({ photos: "photos" }, "test", tables);
    expect(config.arms).toEqual([...usualArms(), "plain"]);
    expect(config.detectors).toEqual([...usualDetectors, "softest"]);
    expect(config.objectives.plain).toEqual({ weight: 2 });
    expect(settingsAt(["objectives", "plain"], studySchemaOf(tables))).toEqual(["weight"]);
  });

  it("give messages their words", () => {
    const read = (values: object) => () => parseSettings({ photos: "photos", ...values }, "test", tables);
    expect(read({ objectives: { plain: { wieght: 1 } } })).toThrow('Did you mean "weight"?');
    expect(read({ objectives: { plain: { weight: -1 } } })).toThrow("(Its weight)");
    expect(read({ arms: ["plian"] })).toThrow('Did you mean "plain"?');
  });

  it("leave the built-in tables as they are", () => {
    expect(() => parseSettings({ photos: "photos", arms: ["plain"] }, "test")).toThrow(/"plain"/);
    expect(JSON.stringify(studyJsonSchema())).not.toContain("Its weight");
    expect(tablesWith({})).toEqual(TABLES);
  });

  it("take no name that is taken, because stages are named by it", () => {
    expect(() => tablesWith({ objectives: { supcon: plain } })).toThrow(TableError);
    expect(() => tablesWith({ objectives: { supcon: plain } })).toThrow('an objective "supcon" already');
    expect(() => tablesWith({ detectors: { knn: detectors.msp } })).toThrow('a detector "knn" already');
  });

  it("refuse an arm whose objective is not there, or has no place for its negatives", () => {
    expect(() => tablesWith({ arms: { mine: { ...arm, negatives: null, use: null } } })).toThrow(
      /"plain", which is no objective.*supcon/,
    );
    expect(() =>
      tablesWith({
        objectives: { plain },
        arms: { mine: { ...arm, negatives: "near-ood", use: "columns" } },
      }),
    ).toThrow(/no place/);
    expect(() =>
      tablesWith({
        arms: { mine: { ...arm, objective: "supcon", negatives: "near-ood", use: "columns" } },
      }),
    ).not.toThrow();
    const contrastive = { ...arm, objective: "supcon" };
    expect(() =>
      tablesWith({ arms: { mine: { ...contrastive, negatives: "near-ood", use: "energy" } } }),
    ).toThrow(/uses negatives as "energy".*columns or extra-class/);
    expect(() =>
      tablesWith({ arms: { mine: { ...contrastive, negatives: "near-ood", use: null } } }),
    ).toThrow(/Give both, or set both to null/);
    expect(Object.keys(objectives)).not.toContain("plain");
  });
});
