import { scope, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { supCon, supConPerAnchor } from "../../src/contrast/index.ts";
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

test("the project's own goldens are there unless another folder is given", () => {
  if (!process.env.PENUMBRA_GOLDENS) expect(goldens("contrast").length).toBeGreaterThanOrEqual(11);
});
