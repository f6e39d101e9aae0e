// A control of what negatives do: images that keep their class, used as negatives, push the class away from itself.
import { fromTyped } from "@penumbra/torch";
import { Random } from "@penumbra/torch/random";
import { expect, it } from "vitest";
import { extractFeatures, fitLinearProbe, trainEncoder } from "../../src/contrast/index.ts";

const SIZE = 16;
const CLASSES = 4;

/** Stripes of a class's own direction and width, at a place and contrast of the image's own, in noise. */
function stripes(label: number, random: Random): Uint8Array {
  const angle = (label * Math.PI) / CLASSES + 0.15 * random.normal();
  const phase = random.uniform(0, 2 * Math.PI);
  const contrast = random.uniform(60, 100);
  const image = new Uint8Array(3 * SIZE * SIZE);
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < SIZE; y++) {
      for (let x = 0; x < SIZE; x++) {
        const wave = Math.sin(0.9 * (x * Math.cos(angle) + y * Math.sin(angle)) + phase);
        const value = 128 + contrast * wave + 20 * random.normal();
        image[(channel * SIZE + y) * SIZE + x] = Math.min(255, Math.max(0, Math.round(value)));
      }
    }
  }
  return image;
}

function draw(count: number, seed: number) {
  const random = new Random(seed);
  const labels = Array.from({ length: count }, (_, i) => i % CLASSES);
  const pixels = new Uint8Array(count * 3 * SIZE * SIZE);
  for (const [i, label] of labels.entries()) pixels.set(stripes(label, random), i * 3 * SIZE * SIZE);
  return { labels, images: fromTyped(pixels, [count, 3, SIZE, SIZE]) };
}

/** Checks that no class is: noise alone. */
function noise(count: number, seed: number) {
  const random = new Random(seed);
  const pixels = Uint8Array.from({ length: count * 3 * SIZE * SIZE }, () =>
    Math.min(255, Math.max(0, Math.round(128 + 60 * random.normal()))),
  );
  return fromTyped(pixels, [count, 3, SIZE, SIZE]);
}

it("images that keep their class hurt as negatives, and images of no class do not", async () => {
  const [train, test, faithful] = [draw(48, 1), draw(200, 2), draw(96, 3)];
  const accuracyWith = async (negatives?: ReturnType<typeof noise>) => {
    const { encoder } = await trainEncoder({
      ...{ objective: "supcon", images: train.images, labels: train.labels, classes: CLASSES, seed: 0 },
      network: { network: "resnet10", width: 8, stem: "cifar" },
      augment: {},
      ...{ steps: 100, batchSize: 32, loss: { projection: 8, negativeWeight: 10 } },
      ...(negatives && { negatives: { images: negatives, perStep: 32 } }),
    });
    const probe = fitLinearProbe(extractFeatures(encoder, train.images), train.labels, { l2: 1e-2 });
    const answers = probe.logits(extractFeatures(encoder, test.images)).argmax({ dim: 1 }).toNumbers();
    return answers.filter((answer, i) => answer === test.labels[i]).length / answers.length;
  };
  const plain = await accuracyWith();
  const beside = await accuracyWith(noise(96, 4));
  const wrong = await accuracyWith(faithful.images);
  expect(wrong).toBeLessThan(Math.min(plain, beside) - 0.05);
});
