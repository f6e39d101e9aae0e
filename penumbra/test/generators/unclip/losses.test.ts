import { grad, manualSeed, ones, randn, type Tensor, tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { infoNce, slerp, textDifference } from "../../../src/generators/unclip/index.ts";
import { expectClose } from "../../goldens.ts";

const labelsOf = (...labels: number[]) => tensor(labels, { dtype: "int64" });
const share = (value: number, count: number) => ones([count, 1]).mul(value);
const lengths = (x: Tensor) => x.square().sum([1]).sqrt().toNumbers();

/** CLIP's loss number by number, as its formula says it. */
function plainInfoNce(a: number[][], b: number[][], scale: number, labels: number[]): number {
  const unit = (rows: number[][]) => rows.map((row) => row.map((x) => x / Math.hypot(...row)));
  const [u, v] = [unit(a), unit(b)];
  const half = (from: number[][], to: number[][]) => {
    let sum = 0;
    from.forEach((row, i) => {
      const logits = to.map((other) => scale * row.reduce((dot, x, d) => dot + x * other[d]!, 0));
      const total = Math.log(logits.reduce((all, logit) => all + Math.exp(logit), 0));
      const pairs = labels.flatMap((label, j) => (label === labels[i] ? [j] : []));
      for (const j of pairs) sum -= (logits[j]! - total) / pairs.length;
    });
    return sum / from.length;
  };
  return (half(u, v) + half(v, u)) / 2;
}

describe("infoNce", () => {
  test.each([
    ["distinct texts", [0, 1, 2, 3, 4]],
    ["texts that come several times", [0, 1, 0, 2, 1]],
  ])("equals the formula taken number by number: %s", (_, labels) => {
    manualSeed(1);
    const [images, texts] = [randn([5, 6]), randn([5, 6])];
    const rows = (x: Tensor) => Array.from({ length: 5 }, (_, i) => x.select(0, i).toNumbers());
    const plain = plainInfoNce(rows(images), rows(texts), 7, labels);
    expect(infoNce(images, texts, 7, labelsOf(...labels)).item()).toBeCloseTo(plain, 4);
  });

  test("embeddings that are all the same give the logarithm of the batch's size, whatever the texts", () => {
    const same = ones([6, 4]);
    for (const labels of [labelsOf(0, 1, 2, 3, 4, 5), labelsOf(0, 0, 1, 1, 1, 2)])
      expect(infoNce(same, same.mul(3), 50, labels).item()).toBeCloseTo(Math.log(6), 4);
  });

  test("pairs alone on their axes give almost nothing at a high scale, and lengths do not count", () => {
    const axes = tensor(
      [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      { dtype: "float32" },
    );
    const labels = labelsOf(0, 1, 2);
    expect(infoNce(axes, axes, 100, labels).item()).toBeLessThan(1e-6);
    manualSeed(2);
    const [a, b] = [randn([3, 3]), randn([3, 3])];
    expect(infoNce(a.mul(5), b.mul(0.1), 4, labels).item()).toBeCloseTo(infoNce(a, b, 4, labels).item(), 5);
  });

  test("its gradient equals finite differences", () => {
    manualSeed(3);
    const texts = randn([4, 3], { dtype: "float64" });
    const images = randn([4, 3], { dtype: "float64" }).requiresGrad_();
    const labels = labelsOf(0, 1, 1, 2);
    const [gradient] = grad(infoNce(images, texts, 3, labels), [images]);
    const step = 1e-5;
    for (const place of [0, 5, 11]) {
      const moved = (by: number) => {
        const shift = tensor(
          Array.from({ length: 12 }, (_, i) => (i === place ? by : 0)),
          { dtype: "float64" },
        );
        return infoNce(images.detach().add(shift.view([4, 3])), texts, 3, labels).item();
      };
      const difference = (moved(step) - moved(-step)) / (2 * step);
      expect(gradient!.toNumbers()[place]).toBeCloseTo(difference, 6);
    }
  });
});

describe("slerp", () => {
  test("begins and ends at its ends, of any lengths", () => {
    manualSeed(4);
    const [a, b] = [randn([5, 8]), randn([5, 8]).mul(3)];
    expectClose(slerp(a, b, share(0, 5)), a, 1e-5);
    expectClose(slerp(a, b, share(1, 5)), b, 1e-5);
  });

  test("keeps the length that both have, and turns by the share of the angle", () => {
    manualSeed(5);
    const unit = (x: Tensor) => x.div(x.square().sum([1], { keepdim: true }).sqrt());
    const [a, b] = [unit(randn([4, 8])).mul(2), unit(randn([4, 8])).mul(2)];
    const angle = (x: Tensor, y: Tensor) => x.mul(y).sum([1]).div(4).acos().toNumbers();
    const whole = angle(a, b);
    for (const part of [0.25, 0.5, 0.9]) {
      const between = slerp(a, b, share(part, 4));
      for (const length of lengths(between)) expect(length).toBeCloseTo(2, 5);
      angle(a, between).forEach((turned, i) => {
        expect(turned).toBeCloseTo(part * whole[i]!, 4);
      });
    }
  });

  test("vectors of one direction, or of opposite ones, are joined by a straight line", () => {
    const a = tensor([[1, 2, 2]], { dtype: "float32" });
    expectClose(slerp(a, a.mul(3), share(0.5, 1)), a.mul(2), 1e-5);
    expectClose(slerp(a, a.neg(), share(0.25, 1)), a.mul(0.5), 1e-3);
  });
});

test("a text difference is as long as the image's embedding, and points from one text to the other", () => {
  const image = tensor([[0, 3, 4]], { dtype: "float32" });
  const [from, to] = [tensor([[2, 0, 0]], { dtype: "float32" }), tensor([[0, 7, 0]], { dtype: "float32" })];
  const turned = textDifference(image, from, to);
  expectClose(turned, tensor([[-5, 5, 0]], { dtype: "float32" }).div(Math.SQRT2), 1e-5);
});
