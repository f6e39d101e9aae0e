import { deflateSync } from "node:zlib";
import {
  type ArmLevel,
  type FeatureMap,
  OUTCOME_FORMAT,
  type Outcome,
  questionsOf,
  type ResultLine,
  testHypotheses,
} from "../../src/results/index.ts";
import { ROLES_OF_IMAGES } from "../../src/sift/index.ts";
import { armOf, designOf, designsOf } from "../../src/study/arms/arms.ts";
import { sources } from "../../src/study/sources/index.ts";

/** A made-up study outcome with every part filled, for tests of the page and for looking at it. */
export function exampleOutcome({
  seeds = [0, 1],
  classes = 8,
  unknownClasses = ["PinHeader_2x06", "TO-220-4"],
  /** Numbers of objects to learn from beside 4. */
  otherShots = [] as readonly number[],
  /** Of 100 images that a sift was to let pass. */
  accepted = 82,
  problems = ["known/a/b.jpg: not an image that can be read (unexpected end of file)"],
} = {}): Outcome {
  const random = mulberry(7);
  const arms = [
    { name: "cross-entropy", accuracy: 0.71, near: 0.66, far: 0.83 },
    { name: "supcon", accuracy: 0.74, near: 0.68, far: 0.9 },
    { name: "supcon+faithful", accuracy: 0.78, near: 0.69, far: 0.9 },
    { name: "supcon+near-ood", accuracy: 0.745, near: 0.72, far: 0.91 },
    { name: "supcon+both", accuracy: 0.79, near: 0.74, far: 0.92 },
  ] as const;
  const questions = questionsOf(designsOf(arms.map(({ name }) => name)));
  const names = Array.from(
    { length: classes },
    (_, index) => `TerminalBlock_Phoenix_PT-1,5-${index + 3}-3.5-H`,
  );
  const detectors = ["msp", "temperature", "energy", "knn", "mahalanobis"] as const;
  const jitter = (size: number) => (random() - 0.5) * size;
  const results: ResultLine[] = arms.flatMap((arm) =>
    seeds.flatMap((seed): ResultLine[] => [
      ...(["photo", "object"] as const).map((unit): ResultLine => {
        const accuracy = arm.accuracy + (unit === "object" ? 0.08 : 0) + jitter(0.04);
        return {
          kind: "classification",
          arm: arm.name,
          seed,
          shots: 4,
          unit,
          accuracy,
          balancedAccuracy: accuracy,
          ...{ top5: 0.95, macroF1: accuracy, nll: 0.9, brier: 0.4 },
          ece: 0.06 + jitter(0.02),
          ...{ classwiseEce: 0.02, adaptiveEce: 0.06, aurc: 0.1 },
          items: 640,
          classes: names.map((className) => ({
            ...{ className, items: 640 / classes },
            ...{ precision: accuracy, recall: accuracy, f1: accuracy },
          })),
        };
      }),
      ...detectors.flatMap((detector, index) =>
        (["near", "far"] as const).flatMap((role) =>
          [null, ...unknownClasses].map(
            (unknownClass): ResultLine => ({
              kind: "unknowns",
              arm: arm.name,
              seed,
              shots: 4,
              unit: "photo",
              detector,
              views: "single",
              part: "test",
              role,
              unknownClass,
              auroc: arm[role] + index * 0.005 + jitter(0.04),
              auprIn: 0.8,
              auprOut: 0.7,
              fpr95OodPositive: 0.6,
              fpr95IdPositive: 0.9 - arm[role] / 2 + jitter(0.05),
              ...{ oscr: arm[role] - 0.1, ccrAtFpr10: 0.4, ccrAtFpr1: 0.2 },
            }),
          ),
        ),
      ),
      ...(["features", "mean", "worst"] as const).map(
        (views): ResultLine => ({
          ...{ kind: "unknowns", arm: arm.name, seed, shots: 4, unit: "object", detector: "knn", views },
          ...{ part: "test", role: "near", unknownClass: null, auroc: arm.near + 0.1 },
          ...{ auprIn: 0.8, auprOut: 0.7, fpr95OodPositive: 0.6, fpr95IdPositive: 0.5 },
          ...{ oscr: 0.6, ccrAtFpr10: 0.4, ccrAtFpr1: 0.2 },
        }),
      ),
      ...["drift", "crossed", "jigsaw"].map(
        (recipe, place): ResultLine => ({
          ...{ kind: "synthetic", arm: arm.name, seed, shots: 4, unit: "photo", detector: "knn", recipe },
          ...{
            views: "single",
            isSeen: place < 2 && /near|both/.test(arm.name),
            auroc: arm.near + place / 20,
          },
          ...{ auprIn: 0.8, auprOut: 0.7, fpr95OodPositive: 0.6, fpr95IdPositive: 0.5 },
          ...{ oscr: 0.6, ccrAtFpr10: 0.4, ccrAtFpr1: 0.2 },
        }),
      ),
      ...[1, 5].map(
        (k): ResultLine => ({
          ...{ kind: "trial", arm: arm.name, seed, shots: 4, unit: "photo", detector: "knn", options: { k } },
          ...{ chosenBy: "validation", auroc: 0.7 - k / 100, isChosen: k === 1 },
        }),
      ),
    ]),
  );
  const levelsWith = (count: number): ArmLevel[] =>
    arms.flatMap(({ name, accuracy, near, far }) =>
      (["photo", "object"] as const).flatMap((unit) =>
        Object.entries({ accuracy, near, far }).map(([outcome, value]): ArmLevel => {
          const mean = value - 0.1 / count;
          const interval = { low: mean - 0.05, high: mean + 0.04, confidence: 0.95 };
          return {
            ...{ arm: name, shots: count, outcome: outcome as ArmLevel["outcome"], unit },
            ...{ perSeed: seeds.map(() => mean), mean, interval: seeds.length > 1 ? interval : null },
          };
        }),
      ),
    );
  const bell = (center: number, width: number) => {
    const raw = Array.from(
      { length: 30 },
      (_, bin) => Math.exp(-(((bin - center) / width) ** 2)) + random() * 0.04,
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    return raw.map((value) => value / sum);
  };
  const picture = (index: number) => `picture-${index % 24}.png`;
  const redraw = (recipe: string, strength: number, index: number) => ({
    image: picture(index),
    recipe,
    strength,
    timestep: Math.round(strength * 960),
    signal: 1 - strength * 0.9,
    wordClass: names[index % names.length] ?? "",
  });
  const siftedImage = (role: string, index: number) => ({
    ...{ image: picture(index), recipe: "drift", strength: 0.6, className: names[0] ?? "", role },
    reason: "At 1.20 from the nearest class (1 to 1.83)",
  });
  const outcome: Outcome = {
    format: OUTCOME_FORMAT,
    name: "parts",
    createdAt: "2026-11-24T04:30:00.000Z",
    arms: arms.map(({ name }) => ({ ...armOf(name), ...designOf(name) })),
    questions,
    sources: Object.entries(sources).map(([name, { title }]) => ({ name, title })),
    objectives: [
      { name: "supcon", title: "SupCon" },
      { name: "cross-entropy", title: "Cross-entropy" },
    ],
    uses: [{ name: "columns", title: "negatives only" }],
    detectors: detectors.map((name) => ({ name, title: name })),
    recipes: [
      { name: "faithful", title: "faithful", kind: "faithful" },
      { name: "drift", title: "drift", kind: "near-ood" },
      { name: "crossed", title: "crossed", kind: "near-ood" },
      { name: "jigsaw", title: "jigsaw", kind: "near-ood" },
    ],
    audits: arms.flatMap(({ name }) =>
      seeds.map((seed) => ({
        ...{ arm: name, seed, roundTripProbe: 0.61, sources: [{ source: "near-ood", probe: 0.83 }] },
        moved: { shift: 0.22, lessKnown: 0.54, accuracy: 0.9, roundTripAccuracy: 0.87 },
      })),
    ),
    sifted: [
      {
        ...{ source: "sifted-near-ood", upper: 1.83, knownInside: 0.91, nearInside: 0.34, nearInBand: 0.52 },
        recipes: [
          {
            ...{ recipe: "drift", wanted: 100, drawn: 171, accepted, strengths: [0.42, 0.6, 0.91] },
            roles: [
              { role: "faithful", share: 0.3 },
              { role: "near-ood", share: 0.5 },
              { role: "too-far", share: 0.2 },
            ],
          },
        ],
        accepted: [siftedImage("near-ood", 1), siftedImage("near-ood", 2)],
        rejected: [siftedImage("too-far", 3), siftedImage("faithful", 4)],
      },
    ],
    imageRoles: Object.entries(ROLES_OF_IMAGES).map(([name, { title }]) => ({ name, title })),
    seeds,
    detector: "knn",
    detectorReason:
      "The figures for unknowns are of knn: it had the best mean AUROC over all arms and seeds on the validation unknowns, whose classes are not among the test's (71.3, next mahalanobis with 70.2).",
    unit: "photo",
    confidence: 0.95,
    margin: 0.01,
    looks: { taken: 2, planned: 3 },
    ...{ earlierOpenings: 4, earlierLooks: 6, language: "en" },
    comparisons: (
      [
        [0, "accuracy", 0.04],
        [0, "near", 0.004],
        [0, "far", 0.001],
        [1, "accuracy", 0.006],
        [1, "near", 0.045],
        [1, "far", -0.02],
        [2, "accuracy", 0.05],
        [2, "near", 0.06],
        [2, "far", 0.02],
        [3, "accuracy", 0.03],
        [3, "near", 0.02],
        [3, "far", 0.07],
      ] as const
    ).map(([place, outcome, mean], index) => {
      const perSeed = seeds.map((_, seed) => mean + (seed - (seeds.length - 1) / 2) * 0.012);
      const half = seeds.length < 2 ? null : seeds.length === 2 ? 0.076 : 0.012;
      const interval = half === null ? null : { low: mean - half, high: mean + half, confidence: 0.95 };
      const verdict =
        !interval || seeds.length < 3
          ? "undecided"
          : interval.low > 0
            ? "better"
            : interval.high < 0
              ? "worse"
              : index % 4 === 2
                ? "same"
                : "undecided";
      return {
        question: questions[place]?.name ?? "",
        outcome,
        unit: "photo",
        perSeed,
        mean,
        interval,
        overSeeds: interval,
        overObjects: { low: mean - 0.018, high: mean + 0.02, confidence: 0.95 },
        ...{ pValue: interval && 0.03, objectVariance: 1e-4, objects: 100 },
        verdict,
      } as const;
    }),
    hypotheses: testHypotheses({
      arms: designsOf(arms.map(({ name }) => name)),
      questions,
      ...{ confidence: 0.95, margin: 0.01 },
      judge: ({ treatment }, outcome) => {
        const mean = outcome === "accuracy" ? 0.02 * treatment.length : 0.05;
        const perSeed = seeds.map((_, seed) => mean + (seed - (seeds.length - 1) / 2) * 0.012);
        const isOne = seeds.length === 1;
        const interval = isOne ? null : { low: mean - 0.03, high: mean + 0.03, confidence: 0.95 };
        return {
          ...{ perSeed, mean, interval, overSeeds: interval, overObjects: interval },
          ...{ pValue: isOne ? null : 0.004, objectVariance: 1e-4, objects: 100 },
        };
      },
    }),
    results,
    otherShots: otherShots.map((count) => ({
      shots: count,
      results: results.map((line) => ({ ...line, shots: count })),
      ...{ comparisons: [], hypotheses: [], sifted: [] }, // below
    })),
    levels: otherShots.length === 0 ? [] : [...otherShots, 4].flatMap(levelsWith),
    wordsCurves: seeds.map((seed) => ({
      seed,
      looks: Array.from({ length: 8 }, (_, place) => ({
        step: 20 * (place + 1),
        training: 0.2 * Math.exp(-place / 3) + 0.1,
        heldOut: 0.2 * Math.exp(-place / 2) + 0.12 + place / 400,
      })),
      keptStep: 100,
    })),
    curves: arms.flatMap((arm, index) =>
      seeds.map((seed) => ({
        arm: arm.name,
        seed,
        points: Array.from({ length: 60 }, (_, step) => ({
          step: step * 10,
          loss: (index === 0 ? 2.7 : 4.8) * Math.exp(-step / 25) + 0.6 + jitter(0.15),
        })),
        evaluations: Array.from({ length: 12 }, (_, place) => {
          const step = 50 * (place + 1);
          const fall = Math.exp(-step / 250);
          return {
            step,
            train: { loss: 4 * fall + 0.4, accuracy: 1 - 0.7 * fall },
            validation: { loss: 3.4 * fall + 0.9 + step / 2000, accuracy: arm.accuracy - 0.5 * fall },
          };
        }),
        keptStep: 400,
        collapse: null,
      })),
    ),
    sheet: names.slice(0, 4).map((className, row) => ({
      className,
      photo: picture(row * 5),
      redraws: [
        ...[0.2, 0.35].map((strength, index) => redraw("faithful", strength, row * 5 + index + 1)),
        ...[0.7, 0.85].map((strength, index) => redraw("drift", strength, row * 7 + index + 3)),
        ...[0.5, 0.65].map((strength, index) => redraw("crossed", strength, row * 7 + index + 5)),
      ],
    })),
    augmentation: { image: picture(2), photos: 4, versions: 7 },
    nearness: [
      { recipe: "faithful", strength: 0.2, images: 192, insideShare: 0.91 },
      { recipe: "faithful", strength: 0.35, images: 192, insideShare: 0.74 },
      {
        ...{ recipe: "drift", strength: 0.7, images: 192, insideShare: 0.21 },
        quality: { fid: 12.34, kid: 0.0567, precision: 0.42, recall: null },
      },
      { recipe: "crossed", strength: 0.5, images: 192, insideShare: 0.38 },
    ],
    sourceFigures: [
      {
        ...{ source: "faithful", images: 384, insideShare: 0.82 },
        quality: { fid: 8.1, kid: 0.0123, precision: 0.8, recall: 0.6 },
        training: {
          ...{ steps: 100, seconds: 47.2, peakMemoryBytes: 900 * 2 ** 20 },
          ...{ divergence: null, collapsed: [] },
        },
        drawing: { seconds: 33, peakMemoryBytes: 800 * 2 ** 20 },
      },
      {
        ...{ source: "gan-near-ood", images: 384, insideShare: null, quality: null },
        training: {
          ...{ steps: 1204, seconds: 121, peakMemoryBytes: 1.2 * 2 ** 30 },
          ...{ divergence: 0.412, collapsed: [{ seed: 1, diversity: 0.12 }] },
        },
        drawing: { seconds: 3, peakMemoryBytes: 700 * 2 ** 20 },
      },
      {
        ...{ source: "collage", images: 384, insideShare: 0.3, quality: null, training: null },
        drawing: { seconds: 2, peakMemoryBytes: 500 * 2 ** 20 },
      },
    ],
    histograms: arms.map((arm, index) => ({
      arm: arm.name,
      edges: Array.from({ length: 31 }, (_, bin) => -1 + bin / 30),
      known: bell(20 + index * 0.6, 4),
      near: bell(17 - index, 5),
      far: bell(9 - index, 5),
    })),
    confusions: arms
      .filter(({ name }) => name === "supcon" || name === "supcon+both")
      .map((arm) => ({
        arm: arm.name,
        classes: names,
        counts: names.map((_, truth) =>
          names.map((_, answer) =>
            truth === answer
              ? 60 + Math.round(jitter(20))
              : Math.abs(truth - answer) === 1
                ? Math.round(random() * 18)
                : Math.round(random() * 2),
          ),
        ),
      })),
    probes: arms.flatMap(({ name }, place) =>
      seeds.map((seed) => ({
        ...{ arm: name, seed, l2: place % 2 === 0 ? 0.001 : 0.1 },
        trials: [0.001, 0.1].map((l2) => ({ l2, accuracy: 0.8 + l2, nll: 0.7 })),
      })),
    ),
    operatingPoints: arms.map(({ name, near, far }) => {
      const share = (mean: number) => ({
        ...{ perSeed: seeds.map(() => mean), mean },
        interval: { low: mean - 0.05, high: Math.min(1, mean + 0.04), confidence: 0.95 },
      });
      return { arm: name, keep: 0.95, known: share(0.93), near: share(near - 0.3), far: share(far - 0.1) };
    }),
    rateCurves: arms.map(({ name, near, far, accuracy }) => {
      const places = Array.from({ length: 51 }, (_, place) => place / 50);
      const roc = (area: number) => places.map((x) => ({ x, y: x ** (1 / area - 1) }));
      return {
        arm: name,
        near: roc(near),
        far: roc(far),
        risk: places.map((x) => ({ x, y: (1 - accuracy) * x })),
      };
    }),
    featureMaps: arms.flatMap(({ name }, index): FeatureMap[] => {
      const cloud = (count: number, spread: number, shift: number) =>
        Array.from({ length: count }, () => {
          const angle = random() * 2 * Math.PI;
          const length = spread * Math.sqrt(random());
          return [shift + length * Math.cos(angle), length * Math.sin(angle) - shift * index * 0.1] as const;
        });
      const shown = {
        ...{ arm: name, seed: seeds[0] ?? 0 },
        points: {
          ...{
            train: cloud(60, 4, 0),
            known: cloud(150, 5, 0),
            near: cloud(120, 5, 3),
            far: cloud(120, 4, 9),
          },
          ...{ faithful: cloud(60, 5, 1), nearOod: cloud(60, 4, 5) },
        },
      };
      return [
        { method: "pca", explained: [0.41, 0.22], ...shown },
        { method: "umap", neighbours: 15, ...shown },
      ];
    }),
    mistakesArm: "supcon+both",
    mistakes: (
      ["wrong class", "near called known", "far called known", "known called unknown"] as const
    ).flatMap((kind, group) =>
      Array.from({ length: 8 }, (_, index) => ({
        kind,
        image: picture(group * 8 + index),
        id: `known/part/0${index}/3.webp`,
        object: `part/0${index}`,
        truth: names[index % names.length] ?? "",
        answer: names[(index + 1) % names.length] ?? "",
        probability: 0.99 - index * 0.01,
        knownness: kind === "known called unknown" ? 0.01 * index : 0.98 - index * 0.02,
        seed: index % 2,
      })),
    ),
    training: {
      ...{ imageSize: 64, network: "resnet10", isPretrained: false, trained: "full" },
      ...{ steps: 240, batchSize: 32, shots: 4, validation: 4 },
    },
    photos: {
      root: "photos",
      known: { classes, objects: classes * 20, photos: classes * 160 },
      near: { classes: 8, objects: 64, photos: 512 },
      far: { classes: 8, objects: 64, photos: 512 },
      parts: {
        train: 256,
        validation: 128,
        test: 640,
        "near validation": 128,
        "near test": 384,
        "far test": 512,
      },
      problems,
      warnings: [],
    },
    model: { name: "penumbra-mini", hash: "0123456789abcdef0123456789abcdef" },
    machine: {
      processor: "Example CPU @ 2.00GHz",
      cores: 2,
      threads: 2,
      memoryBytes: 24 * 2 ** 30,
      device: "cpu",
      precision: "fp32",
      precisionReason: "fp32: the processor has neither AVX512-BF16 nor AMX-BF16",
      node: "20.20.2",
      libtorch: "2.13.0",
      penumbra: "0.1.0",
    },
    stages: [
      ["scan", "", 0.2],
      ["decode", "", 2.1],
      ...seeds.flatMap(
        (seed) =>
          [
            ["words", `seed ${seed}`, 58],
            ["redraw", `faithful, seed ${seed}`, 34],
            ["redraw", `near-OOD, seed ${seed}`, 51],
            ...arms.flatMap(
              (arm) =>
                [
                  ["encoder", `${arm.name}, seed ${seed}`, 31],
                  ["probe", `${arm.name}, seed ${seed}`, 2.4],
                  ["score", `${arm.name}, seed ${seed}`, 0.6],
                ] as const,
            ),
          ] as const,
      ),
    ].map(([stage, label, seconds], index) => ({
      stage: String(stage),
      label: String(label),
      seconds: Number(seconds),
      isReused: index < 2,
      starts: index === 3 ? 2 : 1,
    })),
    peakMemoryBytes: 1.61 * 2 ** 30,
    trainCommand: "penumbra train study.yaml",
    configuration: "photos: photos\nseeds: [0, 1]\n",
  };
  const { comparisons, hypotheses, sifted } = outcome;
  return {
    ...outcome,
    otherShots: outcome.otherShots.map((other) => ({ ...other, comparisons, hypotheses, sifted })),
  };
}

/** Small deterministic generator, so that the example needs no engine. */
export function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A tiny PNG of one colour, as a data URI. */
export function examplePng(path: string): string {
  const index = Number(/\d+/.exec(path)?.[0] ?? 0);
  const size = 32;
  const rows = Buffer.alloc(size * (1 + size * 3));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const isPart = Math.hypot(x - 16, y - 16) < 6 + (index % 7);
      const at = y * (1 + size * 3) + 1 + x * 3;
      rows[at] = isPart ? (index * 37) % 200 : 205;
      rows[at + 1] = isPart ? (index * 71) % 200 : 200;
      rows[at + 2] = isPart ? (index * 113) % 200 : 190;
    }
  }
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header[8] = 8;
  header[9] = 2;
  const png = Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
  return `data:image/png;base64,${png.toString("base64")}`;
}

function crc32(data: Buffer): number {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
