// A convolutional network tells squares, frames and crosses apart, wherever they lie in the picture.
import {
  inferenceMode,
  manualSeed,
  nn,
  optim,
  Random,
  randn,
  scope,
  type Tensor,
  tensor,
} from "@penumbra/torch";

const SIZE = 16;
const random = new Random(0);

/** Whether the figure covers a pixel that lies (dx, dy) from its middle; it reaches 3 pixels to each side. */
const figures: readonly ((dx: number, dy: number) => boolean)[] = [
  () => true, // square
  (dx, dy) => Math.max(Math.abs(dx), Math.abs(dy)) === 3, // frame
  (dx, dy) => dx === 0 || dy === 0, // cross
];

/** Pictures with one figure each, in noise: images [N, 1, 16, 16] and their figures' numbers [N]. */
function draw(count: number): { images: Tensor; labels: Tensor } {
  const images = new Float32Array(count * SIZE * SIZE);
  const labels = Array.from({ length: count }, () => random.int(figures.length));
  for (const [n, label] of labels.entries()) {
    const [left, top] = [random.int(SIZE - 6), random.int(SIZE - 6)];
    for (let dy = -3; dy <= 3; dy += 1) {
      for (let dx = -3; dx <= 3; dx += 1) {
        if (figures[label]?.(dx, dy)) images[(n * SIZE + top + 3 + dy) * SIZE + left + 3 + dx] = 1;
      }
    }
  }
  const shape = [count, 1, SIZE, SIZE];
  return {
    images: tensor(images).reshape(shape).add(randn(shape).mul(0.3)),
    labels: tensor(labels, { dtype: "int64" }),
  };
}

manualSeed(0);
const model = new nn.Sequential(
  new nn.Conv2d(1, 8, 3, { padding: 1 }), // [N, 1, 16, 16] -> [N, 8, 16, 16]
  new nn.BatchNorm2d(8),
  new nn.ReLU(),
  new nn.MaxPool2d(2), // -> [N, 8, 8, 8]
  new nn.Conv2d(8, 16, 3, { padding: 1 }),
  new nn.BatchNorm2d(16),
  new nn.ReLU(),
  new nn.AdaptiveAvgPool2d(1), // -> [N, 16, 1, 1]
  new nn.Flatten(),
  new nn.Linear(16, figures.length),
);
const optimizer = new optim.AdamW(model.parameters(), { lr: 0.01 });

for (let step = 1; step <= 100; step += 1) {
  scope(() => {
    const { images, labels } = draw(64);
    optimizer.zeroGrad();
    const loss = model.forward(images).crossEntropyLoss(labels);
    loss.backward();
    optimizer.step();
    if (step % 25 === 0) console.log(`step ${step}: loss ${loss.item().toFixed(4)}`);
  });
}

model.eval();
const right = inferenceMode(() => {
  const { images, labels } = draw(500);
  return model.forward(images).argmax({ dim: 1 }).eq(labels).sum().item();
});
console.log(`${right} of 500 new pictures are named rightly`);
