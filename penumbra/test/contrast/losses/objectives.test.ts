// The contract of every objective: a new entry of the table is held to it the moment it is listed.
import * as torch from "@penumbra/torch";
import { grad, scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  ContrastError,
  type LossSettings,
  objectiveOf,
  objectives,
  readLossSettings,
  type StepOutputs,
} from "../../../src/contrast/index.ts";

const [IMAGES, VIEWS, WIDTH, CLASSES, NEGATIVES] = [6, 2, 5, 3, 4];
const LABELS = Array.from({ length: IMAGES }, (_, i) => i % CLASSES);
const SOURCES = Array.from({ length: NEGATIVES }, (_, i) => i % CLASSES);

/** Head outputs of one step; `order` is in which the images come. */
function step(rows: Tensor, negatives: Tensor | null, order = LABELS.map((_, i) => i)): StepOutputs {
  const places = Array.from({ length: VIEWS }, (_, view) => order.map((i) => view * IMAGES + i)).flat();
  return {
    rows: rows.indexSelect(0, torch.tensor(places, { dtype: "int64" })),
    views: VIEWS,
    labels: order.map((i) => LABELS[i] as number),
    negatives,
    negativeLabels: negatives ? SOURCES : [],
  };
}

for (const [name, entry] of Object.entries(objectives)) {
  const objective = objectiveOf(name);
  const draw = (rows: number, seed: number, columns = WIDTH) =>
    torch.randn([rows, columns], { generator: new torch.Generator({ seed }), dtype: "float64" });
  const wide = () => draw(IMAGES * VIEWS, 1, objective.negatives ? WIDTH : CLASSES);
  const columns = () => (objective.negatives ? draw(NEGATIVES, 2) : null);
  const settings = (given: LossSettings = {}) => readLossSettings(objective, given);

  describe(`the objective ${name}`, () => {
    test("says what it is, and every setting what it means and what it is by default", () => {
      for (const text of [objective.title, objective.description, objective.collapseRemedy]) {
        expect(text).not.toBe("");
      }
      const defaults = settings();
      for (const [key, schema] of Object.entries(entry.settings.shape)) {
        expect(schema.meta()?.description ?? schema.unwrap().meta()?.description, key).toMatch(/\w+ \w+/);
        expect(defaults[key], key).toBeDefined();
      }
      for (const key of objective.negatives?.settings ?? []) expect(defaults).toHaveProperty([key]);
    });

    test("gives a finite scalar and finite gradients for rows and negatives", () =>
      scope(() => {
        const leaves = [wide(), columns()].flatMap((leaf) => (leaf ? [leaf.requiresGrad_()] : []));
        const loss = objective.loss(step(leaves[0] as Tensor, leaves[1] ?? null), settings());
        expect(loss.shape).toEqual([]);
        expect(Number.isFinite(loss.item())).toBe(true);
        for (const gradient of grad(loss, leaves)) {
          expect(gradient.toNumbers().every(Number.isFinite)).toBe(true);
          expect(gradient.abs().amax().item()).toBeGreaterThan(0);
        }
      }));

    test("does not depend on the order of the images", () =>
      scope(() => {
        const rows = wide();
        const one = objective.loss(step(rows, columns()), settings()).item();
        const other = objective.loss(step(rows, columns(), [4, 0, 5, 2, 1, 3]), settings()).item();
        expect(other).toBeCloseTo(one, 12);
      }));

    test("has its plateau where all rows are equal", () =>
      scope(() => {
        const width = objective.negatives ? WIDTH : CLASSES;
        const equal = (count: number) => torch.ones([count, width], { dtype: "float64" });
        for (const negatives of objective.negatives ? [0, NEGATIVES] : [0]) {
          const loss = objective.loss(
            step(equal(IMAGES * VIEWS), negatives ? equal(negatives) : null),
            settings(),
          );
          const plateau = objective.plateau(
            { rows: IMAGES * VIEWS, negatives, classes: CLASSES },
            settings(),
          );
          expect(loss.item()).toBeCloseTo(plateau, 12);
        }
      }));

    test("has a head whose outputs the loss takes", () =>
      scope(() => {
        const head = objective.makeHead(16, CLASSES, settings());
        const outputs = head.forward(draw(IMAGES * VIEWS, 3, 16).to("float32"));
        expect(Number.isFinite(objective.loss(step(outputs, null), settings()).item())).toBe(true);
      }));

    test("refuses settings that it does not have, and a name that is none", () => {
      expect(() => settings({ nonsense: 1 })).toThrow(ContrastError);
      expect(() => objectiveOf("nonsense")).toThrow(/no objective "nonsense".*supcon or cross-entropy/);
    });
  });
}

test("detached negatives push the photos but get no gradient", () =>
  scope(() => {
    const objective = objectiveOf("supcon");
    const draw = (rows: number) => torch.randn([rows, WIDTH], { dtype: "float64" }).requiresGrad_();
    const [rows, negatives] = [draw(IMAGES * VIEWS), draw(NEGATIVES)];
    const settings = readLossSettings(objective, { detachNegatives: true });
    objective.loss(step(rows, negatives), settings).backward();
    expect(rows.grad).not.toBeNull();
    expect(negatives.grad).toBeNull();
  }));
