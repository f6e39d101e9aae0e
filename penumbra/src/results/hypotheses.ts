import { Random } from "@penumbra/torch/random";
import type { ArmDesign, Contrast, Question } from "./design.ts";
import type { Difference, HypothesisResult, HypothesisVerdict, OutcomeName, Power } from "./outcome.ts";
import { FEWEST_DECIDING_SEEDS } from "./questions.ts";
import { holm, type Interval, signFlipTest, standardDeviation, studentQuantile } from "./statistics.ts";

/** The share of repetitions in which a difference that is there is to be found. */
const POWER = 0.8;
/** More seeds than this are not proposed to anybody. */
const MOST_SEEDS = 1000;

/** What is asked of each objective that has the arms for it. */
interface Hypothesis {
  readonly outcome: OutcomeName;
  /** From the arms of one objective and the questions about it: a test for each kind of images and its use. */
  readonly tests: (design: {
    readonly arms: readonly ArmDesign[];
    readonly questions: readonly Question[];
  }) => readonly HypothesisTest[];
}

interface HypothesisTest extends Contrast, Pick<HypothesisResult, "source" | "use"> {}

/**
 * What Penumbra was built to find out. A positive difference speaks for H1 to H3; H4 is the interaction of the 2 x 2
 * design, (both - near-OOD) - (faithful - none), which is 0 where the effects add.
 */
export const HYPOTHESES = {
  H1: { outcome: "accuracy", tests: ({ questions }) => mainEffects("positives", questions) },
  H2: { outcome: "accuracy", tests: ({ questions }) => mainEffects("negatives", questions) },
  H3: { outcome: "near", tests: ({ questions }) => mainEffects("negatives", questions) },
  H4: { outcome: "near", tests: ({ arms }) => interaction(arms) },
} as const satisfies Record<string, Hypothesis>;
export type HypothesisName = keyof typeof HYPOTHESES;

export interface HypothesesOptions {
  readonly arms: readonly ArmDesign[];
  readonly questions: readonly Question[];
  readonly confidence: number;
  readonly margin: number;
  /** By the unit that the answer is about. */
  readonly judge: (contrast: Contrast, outcome: OutcomeName) => Difference | null;
}

/** What these arms can be asked, objective by objective: those about unknowns too, whether or not there are some. */
export function hypothesesAbout({ arms, questions }: Pick<HypothesesOptions, "arms" | "questions">) {
  const objectives = [...new Set(arms.map(({ objective }) => objective))];
  return objectives.flatMap((objective) => {
    const design = {
      arms: arms.filter((arm) => arm.objective === objective),
      questions: questions.filter((question) => question.objective === objective),
    };
    return Object.entries<Hypothesis>(HYPOTHESES).flatMap(([name, { outcome, tests }]) =>
      tests(design).map((test) => ({ name, objective, outcome, ...test })),
    );
  });
}

/** Every hypothesis for every objective whose arms can test it, corrected for their number (Holm). */
export function testHypotheses({
  arms,
  questions,
  confidence,
  margin,
  judge,
}: HypothesesOptions): HypothesisResult[] {
  const tested = hypothesesAbout({ arms, questions }).flatMap(({ scale, ...test }) => {
    const difference = judge({ ...test, scale }, test.outcome);
    return difference ? [{ ...test, ...difference }] : [];
  });
  const adjusted = holm(tested.map(({ pValue }) => pValue ?? 1));
  const open = adjusted.filter((pValue) => pValue > 1 - confidence).length;
  return tested.map((result, index) => {
    const adjustedPValue = result.pValue === null ? null : adjusted[index]!;
    return {
      ...result,
      adjustedPValue,
      signFlip: signFlipTest(result.perSeed, flips(result.name)),
      verdict: hypothesisVerdict(result, adjustedPValue, { confidence, margin }),
      power: powerOf(result, levelOf(open, confidence)),
    };
  });
}

function flips(name: string): () => number {
  const random = new Random(`sign flips ${name}`);
  return () => random.uniform();
}

/** The questions about images of one kind as this factor, without others beside them. */
function mainEffects(
  factor: "positives" | "negatives",
  questions: readonly Question[],
): readonly HypothesisTest[] {
  const other = factor === "positives" ? "negatives" : "positives";
  return questions.flatMap(({ changes, treatment, control }) => {
    const added = changes.find((change) => change.factor === factor && change.from === null);
    if (!added || changes.some((change) => change.factor === other)) return [];
    const use = changes.find((change) => change.factor === "use")?.to ?? null;
    return [{ treatment, control, source: added.to, use }];
  });
}

function interaction(arms: readonly ArmDesign[]): readonly HypothesisTest[] {
  for (const both of arms) {
    if (both.positives === null || both.negatives === null) continue;
    const { positives, negatives, use } = both;
    const none = { positives: null, negatives: null, use: null };
    const find = (levels: Pick<ArmDesign, "positives" | "negatives" | "use">) =>
      arms.find(
        (arm) =>
          arm.positives === levels.positives && arm.negatives === levels.negatives && arm.use === levels.use,
      )?.name;
    const [base, withPositives, withNegatives] = [
      find(none),
      find({ ...none, positives }),
      find({ ...none, negatives, use }),
    ];
    if (base === undefined || withPositives === undefined || withNegatives === undefined) continue;
    // Means of two arms each: twice their difference is the interaction.
    const sides = { treatment: [both.name, base], control: [withPositives, withNegatives], scale: 2 };
    return [{ ...sides, source: null, use: null }];
  }
  return [];
}

function hypothesisVerdict(
  { mean, interval, perSeed }: Difference,
  adjustedPValue: number | null,
  { confidence, margin }: { readonly confidence: number; readonly margin: number },
): HypothesisVerdict {
  if (!interval || adjustedPValue === null || perSeed.length < FEWEST_DECIDING_SEEDS) return "undecided";
  if (adjustedPValue <= 1 - confidence) return mean > 0 ? "supported" : "contradicted";
  return isWithin(interval, margin) ? "equivalent" : "undecided";
}

/**
 * The confidence of an interval that has to leave out 0 for one of `open` hypotheses to be decided: Holm holds the next
 * p-value against what is left of the level, a share of it for each that is not decided yet.
 */
export function levelOf(open: number, confidence: number): number {
  return 1 - (1 - confidence) / Math.max(1, open);
}

function isWithin({ low, high }: Interval, margin: number): boolean {
  return low > -margin && high < margin;
}

/** What a paired difference varies by, and how often and on what it is measured. */
export interface Spread {
  /** Standard deviation of the difference from seed to seed. */
  readonly deviation: number;
  /** At least 2. */
  readonly seeds: number;
  /** Variance of the mean difference that is due to the test objects. */
  readonly objectVariance: number;
  readonly objects: number;
  readonly confidence: number;
}

/**
 * The difference that a study finds in four of five repetitions: `(t_{(1+c)/2, df} + t_{0.8, df}) se` with
 * `se^2 = s^2 / S + V_objects` and Satterthwaite's degrees of freedom, as in the interval.
 */
export function detectableDifference({
  deviation,
  seeds,
  objectVariance,
  objects,
  confidence,
}: Spread): number {
  const ofSeeds = deviation ** 2 / seeds;
  const variance = ofSeeds + objectVariance;
  if (variance === 0) return 0;
  const freedom =
    variance ** 2 / (ofSeeds ** 2 / (seeds - 1) + (objects < 2 ? 0 : objectVariance ** 2 / (objects - 1)));
  const quantiles = studentQuantile((1 + confidence) / 2, freedom) + studentQuantile(POWER, freedom);
  return quantiles * Math.sqrt(variance);
}

/**
 * What it would take to decide, if the true difference were the measured one. Null with one seed.
 * @param confidence of the interval that has to leave out 0 ({@link levelOf})
 */
export function powerOf(
  { perSeed, mean, objectVariance, objects }: Difference,
  confidence: number,
): Power | null {
  if (perSeed.length < 2) return null;
  const deviation = standardDeviation(perSeed);
  const at = (seeds: number) =>
    detectableDifference({ deviation, seeds, objectVariance, objects, confidence });
  const size = Math.abs(mean);
  const detectable = perSeed.length < FEWEST_DECIDING_SEEDS ? null : at(perSeed.length);
  // Seeds without end leave the objects' part.
  const limit = at(MOST_SEEDS);
  if (limit > size) {
    return { detectable, seeds: null, objectFactor: size === 0 ? null : (limit / size) ** 2 };
  }
  let [few, enough] = [1, MOST_SEEDS];
  while (enough - few > 1) {
    const middle = (few + enough) >> 1;
    if (at(middle) <= size) enough = middle;
    else few = middle;
  }
  return { detectable, seeds: Math.max(enough, FEWEST_DECIDING_SEEDS), objectFactor: null };
}
