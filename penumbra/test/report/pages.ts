import { PROBLEM_TITLES } from "../../src/data/index.ts";
import type {
  Evaluation,
  EvaluationReport,
  ExplanationPage,
  PhotoCheck,
  Share,
} from "../../src/results/index.ts";
import { examplePng } from "./outcome.ts";

const share = (count: number, of: number): Share => ({
  ...{ count, of, share: count / of },
  ...{ low: Math.max(0, count / of - 0.05), high: Math.min(1, count / of + 0.05) },
});

function evaluationOf(classes: readonly string[], objects: number): Evaluation {
  const known = {
    ...{ accuracy: 0.91, balancedAccuracy: 0.9, top5: 0.99, macroF1: 0.9, nll: 0.3, brier: 0.15 },
    ...{ ece: 0.04, adaptiveEce: 0.05, aurc: 0.02, flagged: share(3, 60), rightOfAccepted: share(52, 57) },
    classes: classes.map((className) => ({
      ...{ className, objects: 20, precision: 0.9, recall: 0.9, f1: 0.9, flagged: share(1, 20) },
    })),
  };
  const figures = {
    auroc: 0.93,
    auprIn: 0.9,
    auprOut: 0.9,
    fpr95OodPositive: 0.3,
    fpr95IdPositive: 0.3,
    oscr: 0.88,
  };
  const curve = [0, 0.5, 1].map((x) => ({ x, y: Math.sqrt(x) }));
  return {
    ...{ objects, classes, known },
    unknowns: [
      { role: "near", className: null, objects: 20, ...figures, flagged: share(14, 20) },
      { role: "near", className: "TerminalBlock_near", objects: 20, ...figures, flagged: share(14, 20) },
      { role: "far", className: null, objects: 20, ...figures, flagged: share(20, 20) },
    ],
    confusion: classes.map((_, truth) => [...classes.map((__, answer) => (truth === answer ? 18 : 1)), 1]),
    ...{ roc: { near: curve, far: curve }, risk: curve },
  };
}

const classes = ["TerminalBlock_A", "TerminalBlock_B"];

/** A made-up evaluation with every part filled. */
export const exampleEvaluation: EvaluationReport = {
  ...{ classifier: "parts", place: "other", createdAt: "2026-11-24T04:30:00.000Z", penumbra: "0.1.0" },
  ...{ detector: "Mahalanobis", level: 0.05, seen: { same: 2, similar: 1 } },
  photo: evaluationOf(classes, 60),
  object: evaluationOf(classes, 12),
  mistakes: (["wrong class", "near called known", "far called known", "known called unknown"] as const).map(
    (kind, index) => ({
      ...{ kind, image: examplePng(`picture-${index}.png`), id: "known/part/00/1.webp", object: "part/00" },
      ...{ truth: classes[0]!, answer: classes[1]!, probability: 0.9, knownness: 0.4 },
    }),
  ),
  unreadable: ["photo cannot be read: 1"],
};

/** An explanation of a known object and of an unknown one. */
export const exampleExplanation: ExplanationPage = {
  ...{ classifier: "parts", places: 8 },
  objects: [false, true].map((isUnknown) => ({
    ...{
      name: "part/00",
      isUnknown,
      className: classes[0]!,
      confidence: 0.95,
      pValue: isUnknown ? 0.02 : 0.6,
    },
    others: [{ className: classes[1]!, probability: 0.04 }],
    views: [{ photo: "known/part/00/1.webp", image: "0001-1.webp", heat: "0001-1-heat.webp" }],
    neighbours: [
      { id: "known/part/00/2.webp", className: classes[0]!, similarity: 0.97, image: "neighbours/3.webp" },
    ],
  })),
};

/** A check that found something of every kind. */
export const exampleCheck: PhotoCheck = {
  place: "parts",
  classes: (["known", "near", "far"] as const).map((role) => ({
    ...{ className: classes[0]!, role, objects: 12, photos: 96, views: [8, 8] as const },
  })),
  sizes: [1, 2, 3, 4, 5, 6].map((count) => ({ width: 64 * count, height: 64, photos: 100 - count })),
  notes: [],
  warnings: [
    "1 known class(es): a classifier needs at least two.",
    '12 classes show one object only: they cannot be trained and tested. Add photos of others. They are "a", "b", "c", "d", "e" and 7 more.',
    'Class "TerminalBlock_A" shows one object only: it cannot be trained and tested. Add photos of others.',
    "Known classes have from 3 to 40 objects. Accuracy on the small ones is uncertain: add photos there.",
    "No near unknowns: how well lookalikes are refused cannot be tested. Hold out some classes.",
    'One class of near unknowns ("TerminalBlock_A"): it goes to the test, and none is left to choose settings with. Hold out a second one.',
    'Photos of near unknowns have a median of 4096 pixels, those of known classes 16384: scaled to one size they differ in sharpness, and "unknown" becomes too easy. Take both with the same camera and setting.',
  ],
  groups: Object.entries(PROBLEM_TITLES).map(([kind, title], index) => ({
    ...{ kind, title, isLeftOut: index % 2 === 0, count: 12 },
    shown: [{ file: "known/part/00/1.webp", message: "photo cannot be read: 1", image: examplePng("1.png") }],
  })),
};
