// Toys that generators are trained on within seconds: eight Gaussians on a ring, and pictures of two classes.
import {
  cat,
  deriveSeed,
  fromTyped,
  Generator,
  nn,
  Random,
  randn,
  type Tensor,
  tensor,
} from "@penumbra/torch";
import type { Corpus, CorpusSource } from "../../src/generators/index.ts";
import { indices } from "../../src/generators/trainer/crops.ts";
import type { Batches } from "../../src/generators/trainer/photo-batches.ts";

const RADIUS = 1;
const SPREAD = 0.1;

/** Points about eight centres on a circle of radius 1, standard deviation 0.1; every other centre is of class 1. */
export function eightGaussians(seed: number, batchSize: number): Batches {
  return {
    device: "cpu",
    batchSize,
    at(step) {
      const random = new Random(deriveSeed(seed, "points", step));
      const modes = Array.from({ length: batchSize }, () => random.int(8));
      const points = modes.map((mode) => {
        const angle = (mode * Math.PI) / 4;
        return [
          RADIUS * Math.cos(angle) + SPREAD * random.normal(),
          RADIUS * Math.sin(angle) + SPREAD * random.normal(),
        ];
      });
      const labels = indices(
        modes.map((mode) => mode % 2),
        "cpu",
      );
      return { x: tensor(points, { dtype: "float32" }), labels };
    },
  };
}

/**
 * How many of the eight have a point in twenty, and the share of points within three standard deviations of one.
 * @param labels counts only the centres of each point's class
 */
export function modesOf(points: Tensor, labels?: Tensor): { modes: number; precision: number } {
  const rows = points.toNumbers();
  const classes = labels?.toNumbers();
  const counts = Array<number>(8).fill(0);
  let near = 0;
  const total = rows.length / 2;
  for (let i = 0; i < total; i++) {
    const [x, y] = [rows[2 * i]!, rows[2 * i + 1]!];
    const mode = (Math.round(Math.atan2(y, x) / (Math.PI / 4)) + 8) % 8;
    const angle = (mode * Math.PI) / 4;
    const distance = Math.hypot(x - RADIUS * Math.cos(angle), y - RADIUS * Math.sin(angle));
    if (distance > 3 * SPREAD || (classes && classes[i] !== mode % 2)) continue;
    near++;
    counts[mode]!++;
  }
  return { modes: counts.filter((count) => count >= total / 20).length, precision: near / total };
}

/** [B, D] -> [B, D + 1]: the class as 1 or -1 beside each point. */
export function withClass(x: Tensor, labels: Tensor): Tensor {
  return cat([x, labels.to("float32").mul(2).sub(1).unsqueeze(1)], { dim: 1 });
}

/** Linear layers with SiLU between them. */
export function mlp(...sizes: number[]): nn.Sequential {
  return new nn.Sequential(
    ...sizes.slice(1).flatMap((size, i) => {
      const layer = new nn.Linear(sizes[i]!, size);
      return i === sizes.length - 2 ? [layer] : [layer, new nn.SiLU()];
    }),
  );
}

/** Normal numbers by a seed. */
export function normal(shape: readonly number[], seed: number): Tensor {
  return randn([...shape], { generator: new Generator({ seed }) });
}

/**
 * Twelve pictures a class: a bright disc on dark ground, or a bright frame, each of its own place and size.
 * @param size edge in pixels
 */
export function discsAndFrames(size: number, perClass = 12): Corpus {
  const captions = ["disc", "frame"];
  const count = captions.length * perClass;
  const pixels = new Uint8Array(count * 3 * size * size);
  for (let image = 0; image < count; image++) {
    const random = new Random(deriveSeed(5, "picture", image));
    const isDisc = image % 2 === 0;
    const middle = [0, 1].map(() => size / 2 + random.uniform(-1, 1));
    const radius = size * random.uniform(0.25, 0.32);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const [dx, dy] = [Math.abs(x + 0.5 - middle[0]!), Math.abs(y + 0.5 - middle[1]!)];
        const far = Math.max(dx, dy);
        const isLit = isDisc ? Math.hypot(dx, dy) < radius : far < radius && far > radius - 2.5;
        for (let channel = 0; channel < 3; channel++)
          pixels[((image * 3 + channel) * size + y) * size + x] = isLit ? 230 - 20 * channel : 30;
      }
    }
  }
  return {
    images: fromTyped(pixels, [count, 3, size, size]),
    captions,
    captionOf: Array.from({ length: count }, (_, i) => i % 2),
    files: Array.from({ length: count }, (_, i) => `${i}.png`),
    fileOf: Array.from({ length: count }, (_, i) => i),
    problems: [],
  };
}

/** Which of the two classes pictures show: a disc is bright in the middle, a frame dark. @param images [N, 3, S, S] in -1..1 */
export function classesShown(images: Tensor): number[] {
  const size = images.shape[2]!;
  const [from, edge] = [Math.round(0.375 * size), Math.round(0.25 * size)];
  const middle = images.narrow(2, from, edge).narrow(3, from, edge).mean([1, 2, 3]);
  return middle.toNumbers().map((brightness) => (brightness > 0 ? 0 : 1));
}

export const toyCorpus: CorpusSource = async ({ size }) => discsAndFrames(size);
