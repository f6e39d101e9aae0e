import * as torch from "@penumbra/torch";
import { scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import {
  genSupCon,
  hardSupCon,
  multiPositive,
  normalizeRows,
  ntXent,
  otherClassMask,
  supCon,
  supConPerAnchor,
} from "../../src/contrast/index.ts";
import { eachGolden, expectClose, goldens } from "../goldens.ts";

/** Loss and gradients of leaves that require them. */
function differentiate(
  loss: (features: Tensor, negatives?: Tensor) => Tensor,
  features: Tensor,
  negatives?: Tensor,
) {
  const leaf = features.detach().clone().requiresGrad_();
  const column = negatives?.detach().clone().requiresGrad_();
  const value = loss(leaf, column);
  value.backward();
  return { value, features: leaf.grad as Tensor, negatives: column?.grad as Tensor };
}

describe("SupCon as SupContrast computes it", () => {
  eachGolden("contrast", "supcon-", ({ json, tensors }) =>
    scope(() => {
      const { features, labels, loss, grad } = tensors as Record<string, Tensor>;
      const options = {
        labels: json.uses_labels ? labels : undefined,
        temperature: json.temperature as number,
        baseTemperature: json.base_temperature as number,
        contrastMode: json.contrast_mode as "all" | "one",
      };
      const got = differentiate((leaf) => supCon(leaf, options), features as Tensor);
      expectClose(got.value, loss, json.rtol, "loss");
      expectClose(got.features, grad, json.rtol, "gradient");
    }),
  );
});

describe("SupCon with negatives-only columns", () => {
  eachGolden("contrast", "negatives-only-", ({ json, tensors }) =>
    scope(() => {
      const { features, labels, negatives } = tensors as Record<string, Tensor>;
      const options = {
        labels,
        temperature: json.temperature as number,
        negativeWeight: json.lam as number,
        negativeTilt: json.beta as number,
      };
      const got = differentiate(
        (leaf, u) => supCon(leaf, { ...options, negatives: u }),
        features as Tensor,
        negatives,
      );
      expectClose(got.value, tensors.loss, json.rtol, "loss");
      expectClose(got.features, tensors.grad_features, json.rtol, "gradient of the features");
      expectClose(got.negatives, tensors.grad_negatives, json.rtol, "gradient of the negatives");
      const perAnchor = supConPerAnchor(features as Tensor, { ...options, negatives });
      expectClose(perAnchor, tensors.per_anchor, json.rtol, "loss per anchor");
    }),
  );
});

describe("SupCon with a memory of past projections", () => {
  eachGolden("contrast", "memory-", ({ json, tensors }) =>
    scope(() => {
      const { features, memory, negatives } = tensors as Record<string, Tensor>;
      const labels = json.labels as number[];
      const options = {
        ...{ labels, form: json.form as "in" | "out", temperature: json.temperature as number },
        ...{ negativeWeight: json.lam as number, memory: memory as Tensor },
        memoryMask: otherClassMask(labels, json.memory_labels as number[]),
      };
      const hasNegatives = (negatives as Tensor).shape[0] !== 0;
      const got = differentiate(
        (leaf, u) => supCon(leaf, { ...options, negatives: u ?? null }),
        features as Tensor,
        hasNegatives ? negatives : undefined,
      );
      expectClose(got.value, tensors.loss, json.rtol, "loss");
      expectClose(got.features, tensors.grad, json.rtol, "gradient of the features");
      if (hasNegatives)
        expectClose(got.negatives, tensors.grad_negatives, json.rtol, "gradient of negatives");
      const past = (memory as Tensor).detach().clone().requiresGrad_();
      const leaf = (features as Tensor).detach().clone().requiresGrad_();
      supCon(leaf, { ...options, memory: past }).backward();
      expect(past.grad).toBeNull();
    }),
  );
});

describe("generalized SupCon with a memory of past projections and a teacher", () => {
  eachGolden("contrast", "queue-genscl-", ({ json, tensors }) =>
    scope(() => {
      const { rows, distributions, memory, memory_distributions, teacher, memory_teacher } =
        tensors as Record<string, Tensor>;
      const teacherWeight = json.teacher_weight as number;
      const options = {
        ...{ temperature: json.temperature as number, teacherWeight },
        ...{ teacher: teacherWeight > 0 ? teacher : null },
        memory: {
          ...{ rows: memory as Tensor, distributions: memory_distributions as Tensor },
          teacher: memory_teacher as Tensor,
        },
      };
      const got = differentiate((leaf) => genSupCon(leaf, distributions as Tensor, options), rows as Tensor);
      expectClose(got.value, tensors.loss, json.rtol, "loss");
      expectClose(got.features, tensors.grad, json.rtol, "gradient");
    }),
  );

  test("of one-hot labels is SupCon with those of other classes", () =>
    scope(() => {
      const draw = (rows: number, seed: number) =>
        normalizeRows(torch.randn([rows, 6], { generator: new torch.Generator({ seed }), dtype: "float64" }));
      const [labels, past] = [
        [0, 1, 2, 0, 1, 2],
        [2, 2, 0, 1, 0],
      ];
      const oneHot = (of: readonly number[]) =>
        torch.eye(3, { dtype: "float64" }).indexSelect(0, torch.tensor([...of], { dtype: "int64" }));
      const [rows, memory] = [draw(6, 1), draw(5, 2)];
      const soft = genSupCon(rows, oneHot(labels), { memory: { rows: memory, distributions: oneHot(past) } });
      const hard = supCon(rows.unsqueeze(1), { labels, memory, memoryMask: otherClassMask(labels, past) });
      // The 1e-8 beside the sum of weights.
      expect(soft.item()).toBeCloseTo(hard.item(), 6);
      expect(() =>
        genSupCon(rows, oneHot(labels), { memory: { rows: memory, distributions: rows } }),
      ).toThrow(/memory of rows \[5,6\], distributions \[6,6\].*Pass \[Q, 6\], \[Q, 3\]/);
      const withTeacher = {
        teacher: oneHot(labels),
        memory: { rows: memory, distributions: oneHot(past) },
      };
      expect(() => genSupCon(rows, oneHot(labels), withTeacher)).toThrow(/teacher \[none\].*\[Q, 3\]/);
    }));
});

describe("H-SCL with a memory of past projections", () => {
  eachGolden("contrast", "queue-hscl-", ({ json, tensors }) =>
    scope(() => {
      const labels = json.labels as number[];
      const options = {
        ...{ labels, temperature: json.temperature as number, hardness: json.beta as number },
        ...{ detachWeights: json.detach_weights as boolean, memory: tensors.memory as Tensor },
        memoryMask: otherClassMask(labels, json.memory_labels as number[]),
      };
      const got = differentiate((leaf) => hardSupCon(leaf, options), tensors.features as Tensor);
      expectClose(got.value, tensors.loss, json.rtol, "loss");
      expectClose(got.features, tensors.grad, json.rtol, "gradient");
    }),
  );
});

/** [B, V, D] -> [V B, D], view by view. */
const rowsOf = (features: Tensor) => features.transpose(0, 1).flatten({ startDim: 0, endDim: 1 });

describe("NT-Xent as pytorch-metric-learning computes it", () => {
  eachGolden("contrast", "ntxent-", ({ json, tensors }) =>
    scope(() => {
      const { features, loss, grad } = tensors as Record<string, Tensor>;
      const [rows = 0, dimensions = 0] = (features as Tensor).shape;
      // The reference normalises; its rows are view 0 of all images, then view 1.
      const views = (leaf: Tensor) =>
        normalizeRows(leaf)
          .reshape([2, rows / 2, dimensions])
          .transpose(0, 1);
      const options = { temperature: json.temperature as number };
      const got = differentiate((leaf) => ntXent(views(leaf), options), features as Tensor);
      expectClose(got.value, loss, json.rtol, "loss");
      expectClose(got.features, grad, json.rtol, "gradient");
    }),
  );
});

describe("StableRep's multi-positive loss as its authors compute it", () => {
  eachGolden("contrast", "stablerep", ({ json, tensors }) =>
    scope(() => {
      const { features, labels, loss, grad } = tensors as Record<string, Tensor>;
      const options = { temperature: json.temperature as number };
      const got = differentiate(
        (leaf) => multiPositive(normalizeRows(leaf), labels as Tensor, options),
        features as Tensor,
      );
      expectClose(got.value, loss, json.rtol, "loss");
      expectClose(got.features, grad, json.rtol, "gradient");
    }),
  );
});

describe("SupCon with hard negatives (H-SCL)", () => {
  eachGolden("contrast", "hscl-", ({ json, tensors }) =>
    scope(() => {
      const { features, labels, loss, grad } = tensors as Record<string, Tensor>;
      const options = { labels: labels as Tensor, hardness: json.beta as number };
      const got = differentiate((leaf) => hardSupCon(leaf, options), features as Tensor);
      expectClose(got.value, loss, json.rtol, "loss");
      expectClose(got.features, grad, json.rtol, "gradient");
    }),
  );
});

describe("generalized SupCon", () => {
  eachGolden("contrast", "genscl", ({ json, tensors }) =>
    scope(() => {
      const { features, labels_view0, labels_view1, loss, grad } = tensors as Record<string, Tensor>;
      const distributions = torch.cat([labels_view0 as Tensor, labels_view1 as Tensor]);
      const options = { temperature: json.temperature as number };
      const got = differentiate(
        (leaf) => genSupCon(rowsOf(leaf), distributions, options),
        features as Tensor,
      );
      expectClose(got.value, loss, json.rtol, "loss");
      expectClose(got.features, grad, json.rtol, "gradient");
    }),
  );
});

test("the project's own goldens are there unless another folder is given", () => {
  if (!process.env.PENUMBRA_GOLDENS) expect(goldens("contrast").length).toBeGreaterThanOrEqual(18);
});
