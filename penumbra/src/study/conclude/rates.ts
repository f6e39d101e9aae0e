import {
  isCorrect,
  mean,
  type RateCurve,
  type RatePoint,
  type StudyScores,
  scoresOf,
} from "../../results/index.ts";
import { riskCoverage, rocCurve } from "../../unknowns/index.ts";

/** Places along the x axis at which the seeds' curves are averaged. */
const PLACES = 51;

/**
 * The curves that the report draws, a mean over seeds for each arm: the share of known photos that are kept over the
 * share of near or far unknown ones that pass (ROC), and the share of wrong answers over the share of answers that are
 * given (risk-coverage, by the largest probability). Scores of different encoders have no common scale, so that curves
 * are averaged at the same x, never pooled.
 */
export function rateCurvesOf(scores: StudyScores, detector: string): RateCurve[] {
  return scores.arms.map((arm) => {
    const seeds = scores.seeds.map((seed) => scores.photo(arm, seed).parts);
    const roc = (role: "nearTest" | "farTest") =>
      seeds.some((parts) => parts[role].ids.length === 0)
        ? null
        : averaged(
            seeds.map((parts) =>
              rocCurve(scoresOf(parts.test, detector), scoresOf(parts[role], detector)).map(
                ({ unknownPassed, knownKept }) => ({ x: unknownPassed, y: knownKept }),
              ),
            ),
          );
    const risk = averaged(
      seeds.map(({ test }) =>
        riskCoverage(test.probabilities, isCorrect(test, scores.classes))
          .map(({ coverage, risk }) => ({ x: coverage, y: risk }))
          .reverse(),
      ),
    );
    return { arm, near: roc("nearTest"), far: roc("farTest"), risk };
  });
}

/** The mean of curves over the same x, at even places. */
function averaged(curves: readonly (readonly RatePoint[])[]): RatePoint[] {
  return Array.from({ length: PLACES }, (_, place) => {
    const x = place / (PLACES - 1);
    const y = mean(curves.map((curve) => heightAt(curve, x)));
    return { x: rounded(x), y: rounded(y) };
  });
}

/** Linear between the points, of which x never falls; level before the first. At a step the upper end. */
function heightAt(curve: readonly RatePoint[], x: number): number {
  const after = curve.findLastIndex((point) => point.x <= x);
  const [left, right] = [curve[after], curve[after + 1]];
  if (!left) return (curve[0] as RatePoint).y;
  if (!right || right.x === left.x) return left.y;
  return left.y + ((x - left.x) / (right.x - left.x)) * (right.y - left.y);
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
