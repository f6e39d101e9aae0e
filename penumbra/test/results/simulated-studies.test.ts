// Whole studies of which the truth is known: scores are drawn, and what follows from them is what a study makes of its own.
import { Random } from "@penumbra/torch/random";
import { describe, expect, it, vi } from "vitest";
import { contrastJudge, StudyScores } from "../../src/results/figures.ts";
import { testHypotheses } from "../../src/results/hypotheses.ts";
import type { HypothesisResult } from "../../src/results/outcome.ts";
import { questionsOf } from "../../src/results/questions.ts";
import type { PartScores, ScoreFile } from "../../src/results/scored.ts";
import { designsOf, usualArms } from "../../src/study/arms/arms.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** The 2 x 2 design around SupCon. */
const ARMS = usualArms().filter((arm) => arm.startsWith("supcon"));
const CLASSES = ["a", "b", "c", "d"];
/** Test objects of each class, known and near unknown; photos of each. */
const OBJECTS = 6;
const VIEWS = 2;
const DETECTOR = "knn";

/**
 * What chance does to an arm's share of right answers, as standard deviations: another draw of training photos, which
 * all arms of a seed have in common, and what an arm makes of it; another object, and what an arm makes of that.
 */
const CHANCE = { seed: 0.04, armAtSeed: 0.02, object: 0.1, armOfObject: 0.06, armAtSeedOfObject: 0.04 };
/** The same for scores, in units of the spread between photos of an object. */
const SCORE_CHANCE = 5;

interface ArmFile {
  readonly arm: string;
  readonly seed: number;
  readonly file: ScoreFile;
}

/** @param effect of near-OOD redraws on the share of right answers, in truth */
function filesOf(study: number, seeds: number, effect = 0): ArmFile[] {
  const random = new Random(`simulated study ${study}`);
  const numbers = new Map<string, number>();
  /** The standard normal number of a thing. */
  const normalOf = (thing: string) => {
    const number = numbers.get(thing) ?? random.normal();
    numbers.set(thing, number);
    return number;
  };
  const chance = (arm: string, seed: number, object: string) =>
    CHANCE.seed * normalOf(`seed ${seed}`) +
    CHANCE.armAtSeed * normalOf(`${arm} at ${seed}`) +
    CHANCE.object * normalOf(object) +
    CHANCE.armOfObject * normalOf(`${arm} of ${object}`) +
    CHANCE.armAtSeedOfObject * normalOf(`${arm} at ${seed} of ${object}`);
  const part = (
    classNames: readonly string[],
    of: (object: string) => { readonly score: number; readonly right: number },
  ): PartScores => {
    const items = classNames.flatMap((className) =>
      Array.from({ length: OBJECTS * VIEWS }, (_, photo) => {
        const object = `${className}/${Math.floor(photo / VIEWS)}`;
        const { score, right } = of(object);
        const label = CLASSES.indexOf(className);
        return {
          ...{ className, object, id: `${object}/${photo % VIEWS}` },
          answer: random.uniform() < right ? label : (label + 1) % CLASSES.length,
          score: score + random.normal(),
        };
      }),
    );
    return {
      ids: items.map(({ id }) => id),
      objects: items.map(({ object }) => object),
      classNames: items.map(({ className }) => className),
      answers: items.map(({ answer }) => answer),
      probabilities: items.map(() => 0.5),
      scores: { [DETECTOR]: items.map(({ score }) => score) },
    };
  };
  return ARMS.flatMap((arm) =>
    Array.from({ length: seeds }, (_, seed): ArmFile => {
      const right = 0.5 + (/near-ood|both/.test(arm) ? effect : 0);
      const test = part(CLASSES, (object) => {
        const own = chance(arm, seed, object);
        return { score: 1 + SCORE_CHANCE * own, right: right + own };
      });
      const nearTest = part(
        CLASSES.map((name) => `beside ${name}`),
        (object) => ({ score: SCORE_CHANCE * chance(arm, seed, object), right: 0 }),
      );
      const none = part([], () => ({ score: 0, right: 0 }));
      const others = {
        validation: none,
        nearValidation: none,
        standIns: none,
        farTest: none,
        synthetic: none,
      };
      const units = { photo: { parts: { test, nearTest, ...others } } };
      return { arm, seed, file: { units, fitted: {} } as unknown as ScoreFile }; // hypotheses are of the parts alone
    }),
  );
}

/** What a study says of these figures. */
function hypothesesOf(
  files: readonly ArmFile[],
  { confidence = 0.95, margin = 0.01 } = {},
): readonly HypothesisResult[] {
  const arms = designsOf(ARMS);
  const judge = contrastJudge(new StudyScores(CLASSES, files), "photo", DETECTOR, {
    ...{ confidence, bootstrap: 60 },
  });
  return testHypotheses({ arms, questions: questionsOf(arms), confidence, margin, judge });
}

const STUDIES = 100;
const count = (length: number) => Array.from({ length }, (_, index) => index);
const shareOf = <T>(items: readonly T[], isSo: (item: T) => boolean) =>
  items.filter(isSo).length / items.length;
/** Two standard errors of a share of 0.05 or 0.95 over the studies, and of one of 0.8. */
const CHANCE_OF_FEW = 2 * Math.sqrt((0.05 * 0.95) / STUDIES);
const CHANCE_OF_MOST = 2 * Math.sqrt((0.8 * 0.2) / STUDIES);

const isClaim = ({ verdict }: HypothesisResult) => verdict === "supported" || verdict === "contradicted";
const holds = ({ interval }: HypothesisResult, truth: number) =>
  interval !== null && interval.low <= truth && interval.high >= truth;

describe.each([3, 5])("simulated studies of %i seeds", (seeds) => {
  const studies = (first: number, effect: number, options = {}) =>
    count(STUDIES).map((study) => hypothesesOf(filesOf(first + study, seeds, effect), options));
  /** That near-OOD redraws raise accuracy. */
  const ofH2 = (study: readonly HypothesisResult[]) => study.find(({ name }) => name === "H2")!;
  const ofNothing = studies(0, 0);

  it("where nothing has an effect claim one in five of a hundred at the most, and hold the truth in 95 of a hundred intervals", () => {
    expect(shareOf(ofNothing, (study) => study.some(isClaim))).toBeLessThan(0.05 + CHANCE_OF_FEW);
    expect(shareOf(ofNothing.flat(), (row) => holds(row, 0))).toBeGreaterThan(0.95 - CHANCE_OF_FEW);
  });

  it("find an effect of the size that they say they find in four of five, and never its opposite", () => {
    const sizes = ofNothing.map((study) => ofH2(study).power!.detectable!);
    const effect = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    const found = studies(1000, effect).map(ofH2);
    const power = shareOf(found, ({ verdict }) => verdict === "supported");
    expect(Math.abs(power - 0.8)).toBeLessThan(0.05 + CHANCE_OF_MOST); // the power's formula is an approximation
    expect(found.filter(({ verdict }) => verdict === "contradicted")).toEqual([]);
    expect(shareOf(found, (row) => holds(row, effect))).toBeGreaterThan(0.95 - CHANCE_OF_FEW);
  });

  it("call an effect of the margin none in five of a hundred at the most, and none what is none", () => {
    const margin = 0.2;
    const equivalent = (first: number, effect: number) =>
      shareOf(studies(first, effect, { margin }).map(ofH2), ({ verdict }) => verdict === "equivalent");
    expect(equivalent(2000, margin)).toBeLessThan(0.05 + CHANCE_OF_FEW);
    expect(equivalent(3000, 0)).toBeGreaterThan(0.3);
  });
});

it("simulated studies that look at their figures seed by seed are misled in five of a hundred at the most", () => {
  const [first, last] = [3, 5];
  const looks = last - first + 1;
  const confidence = 1 - 0.05 / looks; // as --until-decided shares it
  const misled = count(STUDIES).filter((study) => {
    const files = filesOf(4000 + study, last);
    return count(looks).some((look) =>
      hypothesesOf(
        files.filter(({ seed }) => seed < first + look),
        { confidence },
      ).some(isClaim),
    );
  });
  expect(misled.length / STUDIES).toBeLessThan(0.05 + CHANCE_OF_FEW);
});
