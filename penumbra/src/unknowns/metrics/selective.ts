import { requireScores, type Scores } from "./scores.ts";

/** What is left, and how often it is wrong, where the least sure images are handed to somebody else. */
export interface RiskPoint {
  /** Share of the images that are kept, 0 … 1. */
  readonly coverage: number;
  /** Share of the kept ones that are wrong. */
  readonly risk: number;
}

/**
 * The risk-coverage curve (El-Yaniv and Wiener 2010): a point for each distinct confidence, from all images kept to
 * only the surest ones.
 *
 * @param confidence of each image, higher = surer
 * @param isRight whether each image is named right
 * @throws RangeError for an empty set, a NaN, or lists that do not pair up
 */
export function riskCoverage(confidence: Scores, isRight: ArrayLike<boolean>): RiskPoint[] {
  requireScores(confidence, "known");
  if (confidence.length !== isRight.length) {
    throw new RangeError(
      `There are ${confidence.length} confidences, but of ${isRight.length} images it is told whether they are right. Pass one an image.`,
    );
  }
  const order = Array.from(confidence, (_, i) => i).sort((a, b) => {
    const [x, y] = [confidence[a] as number, confidence[b] as number];
    return x < y ? -1 : x > y ? 1 : 0;
  });
  const points: RiskPoint[] = [];
  let kept = order.length;
  let wrong = order.filter((i) => !isRight[i]).length;
  for (let start = 0; start < order.length; ) {
    points.push({ coverage: kept / order.length, risk: wrong / kept });
    const level = confidence[order[start] as number];
    while (start < order.length && confidence[order[start] as number] === level) {
      if (!isRight[order[start] as number]) wrong--;
      kept--;
      start++;
    }
  }
  return points;
}

/**
 * Area under the risk-coverage curve (AURC), by trapezoid over the points of {@link riskCoverage} down to coverage 0,
 * where the risk is that of the surest images (Jaeger et al. 2023, fd-shifts). The order of equal confidences does not
 * matter. 0 where nothing is wrong.
 *
 * @throws RangeError as {@link riskCoverage}
 */
export function aurc(confidence: Scores, isRight: ArrayLike<boolean>): number {
  const points = riskCoverage(confidence, isRight);
  const surest = points.at(-1) as RiskPoint;
  return [...points, { coverage: 0, risk: surest.risk }].reduce((area, point, index) => {
    const before = points[index - 1];
    return before ? area + ((before.coverage - point.coverage) * (before.risk + point.risk)) / 2 : area;
  }, 0);
}
