// The contract of every objective: a new entry of the table is held to it the moment it is listed.
import * as torch from "@penumbra/torch";
import { grad, scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  ContrastError,
  crossEntropy,
  type LossSettings,
  type MixKind,
  type NegativeUse,
  objectiveOf,
  objectives,
  type RedrawWord,
  readLossSettings,
  type StepOutputs,
  usesOf,
} from "../../../src/contrast/index.ts";

const [IMAGES, VIEWS, CLASSES, NEGATIVES, DIMENSIONS] = [6, 2, 3, 4, 16];
const LABELS = Array.from({ length: IMAGES }, (_, i) => i % CLASSES);
const SOURCES = Array.from({ length: NEGATIVES }, (_, i) => i % CLASSES);

/** Every third row is a redraw with another class's word, every fifth one with its own. */
function redrawnWith(row: number, labelOf: (label: number | undefined) => number): RedrawWord | null {
  const own = LABELS[row % IMAGES] as number;
  if (row % 3 === 0) return { label: labelOf((own + 1) % CLASSES), strength: 0.5 };
  return row % 5 === 0 ? { label: labelOf(own), strength: 0.25 } : null;
}

interface Made {
  readonly rows: Tensor;
  readonly negatives: Tensor | null;
}

interface Change {
  /** In which the images come. */
  readonly order?: readonly number[];
  /** New names of the classes. */
  readonly classes?: readonly number[];
}

/** Head outputs of one step. */
function step(
  { rows, negatives }: Made,
  use: NegativeUse | null,
  { order = LABELS.map((_, i) => i), classes = [0, 1, 2] }: Change = {},
): StepOutputs {
  const places = Array.from({ length: VIEWS }, (_, view) => order.map((i) => view * IMAGES + i)).flat();
  const labelOf = (label: number | undefined) => classes[label as number] as number;
  return {
    rows: rows.indexSelect(0, torch.tensor(places, { dtype: "int64" }).to(rows.device)),
    views: VIEWS,
    labels: order.map((i) => labelOf(LABELS[i])),
    classes: CLASSES,
    photos: order,
    words: places.map((row) => redrawnWith(row, labelOf)),
    blend: null,
    teacher: null,
    memory: null,
    negatives,
    negativeLabels: negatives ? SOURCES.map(labelOf) : [],
    use,
  };
}

for (const [name, entry] of Object.entries(objectives)) {
  const objective = objectiveOf(name);
  const settings = (given: LossSettings = {}) => readLossSettings(objective, given);
  const draw = (rows: number, columns: number, seed: number) =>
    torch.randn([rows, columns], { generator: new torch.Generator({ seed }), dtype: "float64" });
  const headOf = (use: NegativeUse | null, given = settings()) =>
    objective.makeHead({ dimensions: DIMENSIONS, classes: CLASSES, use }, given);
  const widthOf = (use: NegativeUse | null) =>
    scope(() => headOf(use).forward(torch.zeros([1, DIMENSIONS])).shape[1] as number);
  const drawn = (use: NegativeUse | null): Made => ({
    rows: draw(IMAGES * VIEWS, widthOf(use), 1),
    // Large logits: their energies lie below the margin that negatives are pushed above.
    negatives: use && draw(NEGATIVES, widthOf(use), 2).mul(8),
  });

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
      for (const key of Object.values(objective.negatives).flat()) expect(defaults).toHaveProperty([key]);
    });

    describe.each([null, ...usesOf(objective)])("with negatives used as %s", (use) => {
      test("gives a finite scalar and finite gradients for rows and negatives", () =>
        scope(() => {
          const { rows, negatives } = drawn(use);
          const leaves = [rows, negatives].flatMap((leaf) => (leaf ? [leaf.requiresGrad_()] : []));
          const loss = objective.loss(step({ rows, negatives }, use), settings());
          expect(loss.shape).toEqual([]);
          expect(Number.isFinite(loss.item())).toBe(true);
          for (const gradient of grad(loss, leaves)) {
            expect(gradient.toNumbers().every(Number.isFinite)).toBe(true);
            expect(gradient.abs().amax().item()).toBeGreaterThan(0);
          }
        }));

      test("has the gradients of its finite differences", () =>
        scope(() => {
          const { rows, negatives } = drawn(use);
          const value = (made: Made) => objective.loss(step(made, use), settings()).item();
          const leaves = {
            rows: rows.clone().requiresGrad_(),
            negatives: negatives?.clone().requiresGrad_(),
          };
          const { rows: leaf, negatives: column } = leaves;
          const loss = objective.loss(step({ rows: leaf, negatives: column ?? null }, use), settings());
          const [ofRows, ofNegatives] = grad(loss, column ? [leaf, column] : [leaf]);
          // Along random directions; central differences of width 1e-5 are good to about 1e-9 in float64.
          const along = draw(IMAGES * VIEWS, rows.shape[1] as number, 3).mul(1e-5);
          const slope =
            (value({ rows: rows.add(along), negatives }) - value({ rows: rows.sub(along), negatives })) / 2;
          expect(slope / 1e-5).toBeCloseTo((ofRows as Tensor).mul(along).sum().item() / 1e-5, 6);
          if (!negatives) return;
          const aside = draw(NEGATIVES, negatives.shape[1] as number, 4).mul(1e-5);
          const across =
            (value({ rows, negatives: negatives.add(aside) }) -
              value({ rows, negatives: negatives.sub(aside) })) /
            2;
          expect(across / 1e-5).toBeCloseTo((ofNegatives as Tensor).mul(aside).sum().item() / 1e-5, 6);
        }));

      test("does not depend on the order of the images", () =>
        scope(() => {
          const made = drawn(use);
          const one = objective.loss(step(made, use), settings()).item();
          const other = objective.loss(step(made, use, { order: [4, 0, 5, 2, 1, 3] }), settings()).item();
          expect(other).toBeCloseTo(one, 12);
        }));

      test("does not depend on the names of the classes, where a head's outputs are not those of classes", () =>
        scope(() => {
          const { rows, negatives } = drawn(use);
          const classes = [2, 0, 1];
          const renamed = (tensor: Tensor) => withRenamedLogits(tensor, classes, use);
          const one = objective.loss(step({ rows, negatives }, use), settings()).item();
          const other = objective.loss(
            step({ rows: renamed(rows), negatives: negatives && renamed(negatives) }, use, { classes }),
            settings(),
          );
          expect(other.item()).toBeCloseTo(one, 12);
        }));

      test("has its plateau where all rows are equal, at the level of the logits that is best", () =>
        scope(() => {
          const width = widthOf(use);
          const equal = (count: number, level: number) =>
            torch.full([count, width], level, { dtype: "float64" });
          const loss = (level: number) =>
            objective
              .loss(
                step({ rows: equal(IMAGES * VIEWS, level), negatives: use && equal(NEGATIVES, level) }, use),
                settings(),
              )
              .item();
          const plateau = objective.plateau(
            {
              rows: IMAGES * VIEWS,
              negatives: use ? NEGATIVES : 0,
              memory: 0,
              hasTeacher: false,
              classes: CLASSES,
              use,
            },
            settings(),
          );
          // Generalized SCL adds 1e-8 to its sums of weights.
          expect(least(loss, 1, 40)).toBeCloseTo(plateau, 7);
        }));

      if (objective.takesMemory) {
        const softTargets = (made: Made, count: number) =>
          objective.targetsOf?.(step(made, use), settings()).narrow(0, 0, count) ?? null;
        const past = () => ({
          rows: draw(7, widthOf(use), 8).mul(5),
          labels: [0, 1, 2, 0, 1, 2, 0],
          photos: [0, 1, 2, 3, 4, 5, 6],
          targets: softTargets(drawn(use), 7),
          teacher: null,
        });
        const remembering = (made: Made, change?: Change) => ({ ...step(made, use, change), memory: past() });

        test("with a memory is a higher loss, with the gradients of its finite differences and none for the past", () =>
          scope(() => {
            const { rows, negatives } = drawn(use);
            const leaf = rows.clone().requiresGrad_();
            const outputs = remembering({ rows: leaf, negatives });
            const memory = outputs.memory.rows.requiresGrad_();
            const loss = objective.loss(outputs, settings());
            expect(loss.item()).toBeGreaterThan(
              objective.loss(step({ rows, negatives }, use), settings()).item(),
            );
            loss.backward();
            expect(memory.grad).toBeNull();
            const value = (at: Tensor) =>
              objective.loss(remembering({ rows: at, negatives }), settings()).item();
            const along = draw(IMAGES * VIEWS, rows.shape[1] as number, 3).mul(1e-5);
            const slope = (value(rows.add(along)) - value(rows.sub(along))) / 2;
            expect(slope / 1e-5).toBeCloseTo((leaf.grad as Tensor).mul(along).sum().item() / 1e-5, 6);
          }));

        test("with a memory of equal rows has its plateau where all are equal", () =>
          scope(() => {
            const width = widthOf(use);
            const equal = (count: number, level: number) =>
              torch.full([count, width], level, { dtype: "float64" });
            const memory = {
              rows: equal(6, 1),
              labels: LABELS,
              photos: [90, 91, 92, 93, 94, 95], // none of the step: with photos as groups all of it is seen
              teacher: null,
              targets: objective.targetsOf
                ? torch.eye(CLASSES, { dtype: "float64" }).repeat([2, 1]) // of LABELS
                : null,
            };
            const loss = (level: number) => {
              const made = { rows: equal(IMAGES * VIEWS, level), negatives: use && equal(NEGATIVES, level) };
              const photos = { ...step(made, use), words: new Array(IMAGES * VIEWS).fill(null) };
              return objective.loss({ ...photos, memory }, settings()).item();
            };
            const size = {
              rows: IMAGES * VIEWS,
              negatives: use ? NEGATIVES : 0,
              memory: 6,
              hasTeacher: false,
              classes: CLASSES,
              use,
            };
            const plateau = objective.plateau(size, settings());
            // One extra class sees all of the memory, the photos two thirds of it.
            if (use === "extra-class") expect(Math.abs(least(loss, 1, 40) - plateau)).toBeLessThan(0.1);
            else expect(least(loss, 1, 40)).toBeCloseTo(plateau, 7);
          }));
      }

      if (objective.teacher) {
        const rowCount = IMAGES * VIEWS;
        const answers = (seed: number) => draw(rowCount, CLASSES, seed);
        const taught = (rows: Tensor, teacher: Tensor | null): StepOutputs => ({
          ...step({ rows, negatives: null }, use),
          teacher,
          memory: {
            ...{
              rows: draw(7, widthOf(use), 8),
              labels: [0, 1, 2, 0, 1, 2, 0],
              photos: [0, 1, 2, 3, 4, 5, 6],
            },
            targets: draw(7, CLASSES, 9).softmax(1),
            teacher: draw(7, CLASSES, 10),
          },
        });

        test("with a teacher adds its weight times the loss of the teacher's answers, with its own gradients", () =>
          scope(() => {
            const { rows } = drawn(use);
            const loss = (at: Tensor, teacher: Tensor | null, given: LossSettings = {}) =>
              objective.loss(taught(at, teacher), settings(given));
            const alone = loss(rows, null).item();
            const of = (weight: number) => loss(rows, answers(5), { teacherWeight: weight }).item() - alone;
            expect(of(1)).toBeGreaterThan(0);
            expect(of(3)).toBeCloseTo(3 * of(1), 10);
            // At a high temperature every answer is the same: all attract all, and nothing is remembered as another.
            const soft = loss(rows, answers(5), { teacherTemperature: 1e9 }).item();
            expect(loss(rows, answers(6), { teacherTemperature: 1e9 }).item()).toBeCloseTo(soft, 6);
            const leaf = rows.clone().requiresGrad_();
            const [gradient] = grad(loss(leaf, answers(5)), [leaf]);
            const along = draw(rowCount, rows.shape[1] as number, 3).mul(1e-5);
            const slope =
              (loss(rows.add(along), answers(5)).item() - loss(rows.sub(along), answers(5)).item()) / 2;
            expect(slope / 1e-5).toBeCloseTo((gradient as Tensor).mul(along).sum().item() / 1e-5, 6);
          }));

        test("with a teacher has its plateau where all rows are equal", () =>
          scope(() => {
            const equal = torch.ones([rowCount, widthOf(use)], { dtype: "float64" });
            const outputs = { ...step({ rows: equal, negatives: null }, use), teacher: answers(5) };
            const size = { rows: rowCount, negatives: 0, memory: 0, hasTeacher: true, classes: CLASSES, use };
            const given = settings({ teacherWeight: 0.5 });
            expect(objective.loss(outputs, given).item()).toBeCloseTo(objective.plateau(size, given), 6);
          }));
      }

      if (objective.logitsOf) {
        test("has logits of the known classes among its head's outputs, which fall with their own loss", () =>
          scope(() => {
            const outputs = draw(IMAGES * VIEWS, widthOf(use), 5).requiresGrad_();
            const logits = objective.logitsOf!(outputs, { classes: CLASSES }, settings());
            expect(logits.shape).toEqual([IMAGES * VIEWS, CLASSES]);
            // Each image's own logit is what its loss pushes up most.
            const [gradient] = grad(
              objective.loss(
                {
                  ...step({ rows: outputs, negatives: null }, null),
                  words: new Array(IMAGES * VIEWS).fill(null),
                },
                settings(),
              ),
              [outputs],
            );
            const ofLogits = objective.logitsOf!(gradient as Tensor, { classes: CLASSES }, settings());
            const pushed = ofLogits.argmin({ dim: 1 }).toNumbers();
            expect(pushed).toEqual(Array.from({ length: VIEWS }, () => LABELS).flat());
          }));
      }

      if (objective.mix) {
        test("of photos mixed with themselves is that of photos, and goes with the shares of two", () =>
          scope(() => {
            const { rows, negatives } = drawn(use);
            const M = IMAGES * VIEWS;
            const of = (blend: Tensor | null) =>
              objective.loss({ ...step({ rows, negatives }, use), blend }, settings()).item();
            const same = torch.eye(M, { dtype: "float64" });
            expect(of(same)).toBeCloseTo(of(null), 12);
            // Every row with the next one of its view, which is of another class.
            const next = Array.from({ length: M }, (_, i) => i - (i % IMAGES) + ((i + 1) % IMAGES));
            const other = same.indexSelect(0, torch.tensor(next, { dtype: "int64" }));
            expect(of(same.mul(0.7).add(other, { alpha: 0.3 }))).not.toBeCloseTo(of(null), 3);
            const kinds: MixKind[] = ["mixup", "cutmix"];
            for (const mix of kinds)
              expect(objective.mix!(settings({ mix, mixAlpha: 2 }))).toEqual({ kind: mix, alpha: 2 });
          }));
      }

      test("has a head whose outputs the loss takes", () =>
        scope(() => {
          const head = headOf(use);
          const outputs = (count: number, seed: number) =>
            head.forward(draw(count, DIMENSIONS, seed).to("float32"));
          const made = { rows: outputs(IMAGES * VIEWS, 3), negatives: use && outputs(NEGATIVES, 4) };
          expect(Number.isFinite(objective.loss(step(made, use), settings()).item())).toBe(true);
        }));
    });

    test("refuses settings that it does not have, and a name that is none", () => {
      expect(() => settings({ nonsense: 1 })).toThrow(ContrastError);
      expect(() => objectiveOf("nonsense")).toThrow(/no objective "nonsense".*supcon or cross-entropy/);
    });
  });

  /** The last columns are logits where the head has a classifier: they change places with the classes' names. */
  function withRenamedLogits(tensor: Tensor, classes: readonly number[], use: NegativeUse | null): Tensor {
    const logits = widthOf(use) - contrastWidth(use);
    const first = contrastWidth(use);
    const columns = Array.from({ length: first + logits }, (_, column) => column);
    if (logits > 0) for (const [from, to] of classes.entries()) columns[first + to] = first + from;
    return tensor.indexSelect(1, torch.tensor(columns, { dtype: "int64" }));
  }

  /** How many of a head's outputs are none of the classes': those that stay as they are when there is a class more. */
  function contrastWidth(use: NegativeUse | null): number {
    return scope(() => {
      const width = (classes: number) =>
        objective
          .makeHead({ dimensions: DIMENSIONS, classes, use }, settings())
          .forward(torch.zeros([1, DIMENSIONS])).shape[1] as number;
      const perClass = width(CLASSES + 1) - width(CLASSES);
      return perClass === 0 ? width(CLASSES) : width(CLASSES) - CLASSES - (use === "extra-class" ? 1 : 0);
    });
  }
}

/** The least value of a convex function between two places, by golden sections. */
function least(of: (x: number) => number, low: number, high: number): number {
  const section = (Math.sqrt(5) - 1) / 2;
  let [from, to] = [low, high];
  for (let turn = 0; turn < 60; turn++) {
    const [left, right] = [to - section * (to - from), from + section * (to - from)];
    if (of(left) <= of(right)) to = right;
    else from = left;
  }
  return of((from + to) / 2);
}

test("cross-entropy of distributions is the mean of -sum_c y_c ln softmax_c, whatever else is asked of negatives", () =>
  scope(() => {
    const logits = torch.randn([4, 3], { generator: new torch.Generator({ seed: 3 }), dtype: "float64" });
    const labels = torch.tensor(
      [
        [0.7, 0.3, 0],
        [0, 1, 0],
        [0.2, 0.2, 0.6],
        [0.5, 0, 0.5],
      ],
      { dtype: "float64" },
    );
    for (const labelSmoothing of [0, 0.2]) {
      const smooth = labels.mul(1 - labelSmoothing).add(labelSmoothing / 3);
      const expected = -smooth.mul(logits.logSoftmax(1)).sum().item() / 4;
      expect(crossEntropy(logits, labels, { labelSmoothing }).item()).toBeCloseTo(expected, 12);
    }
    expect(
      crossEntropy(
        logits,
        torch.eye(3).indexSelect(0, torch.tensor([1, 0, 2, 2], { dtype: "int64" })),
      ).item(),
    ).toBeCloseTo(crossEntropy(logits, [1, 0, 2, 2]).item(), 12);
    expect(() => crossEntropy(logits, torch.eye(3))).toThrow(/distributions of shape \[3,3\].*Pass both/);
  }));

test.each(["supcon", "supcon+ce"])("detached negatives push the photos of %s but get no gradient", (name) =>
  scope(() => {
    const objective = objectiveOf(name);
    const draw = (rows: number) => torch.randn([rows, 5 + CLASSES], { dtype: "float64" }).requiresGrad_();
    const [rows, negatives] = [draw(IMAGES * VIEWS), draw(NEGATIVES)];
    const settings = readLossSettings(objective, { detachNegatives: true, projection: 5 });
    objective.loss(step({ rows, negatives }, "columns"), settings).backward();
    expect(rows.grad).not.toBeNull();
    expect(negatives.grad).toBeNull();
  }),
);

test("the joint loss is the sum of its two, each on its own outputs, with negatives where they are used", () =>
  scope(() => {
    const draw = (rows: number, seed: number) =>
      torch.randn([rows, 5 + CLASSES], { generator: new torch.Generator({ seed }), dtype: "float64" });
    const [rows, negatives] = [draw(IMAGES * VIEWS, 5), draw(NEGATIVES, 6)];
    const joint = objectiveOf("supcon+ce");
    const alone = (name: string, from: number, length: number, use: NegativeUse | null) =>
      objectiveOf(name)
        .loss(
          step(
            { rows: rows.narrow(1, from, length), negatives: use && negatives.narrow(1, from, length) },
            use,
          ),
          readLossSettings(objectiveOf(name), {}),
        )
        .item();
    const settings = readLossSettings(joint, { projection: 5, crossEntropyWeight: 0.25 });
    for (const use of usesOf(joint).filter((use) => use !== "extra-class")) {
      const [contrast, classifier] = use === "columns" ? [use, null] : [null, use];
      expect(joint.loss(step({ rows, negatives }, use), settings).item()).toBeCloseTo(
        alone("supcon", 0, 5, contrast) + 0.25 * alone("cross-entropy", 5, CLASSES, classifier),
        12,
      );
    }
  }));
