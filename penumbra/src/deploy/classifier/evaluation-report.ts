import { type Manifest, mapConcurrently, readPhoto } from "../../data/index.ts";
import { previewImage } from "../../images/index.ts";
import type { EvaluationMistake, EvaluationReport } from "../../results/index.ts";
import type { Classifier } from "./classifier.ts";
import type { Evaluated, JudgedPhoto } from "./evaluate.ts";

/** What an evaluation itself does not know. */
export type EvaluationAbout = Pick<EvaluationReport, "place" | "createdAt" | "penumbra" | "seen">;

/** Mistakes of each kind that are shown. */
const MOST_MISTAKES = 12;
const PREVIEW_SIDE = 112;

/** An evaluation as its page shows it, with the worst mistakes as pictures. */
export async function evaluationReport(
  classifier: Classifier,
  manifest: Manifest,
  { photo, object, photos, unreadable }: Evaluated,
  about: EvaluationAbout,
): Promise<EvaluationReport> {
  const { root, white } = manifest;
  const mistakes = await mapConcurrently(worstMistakes(photos), async (mistake) => {
    const preview = await previewImage(await readPhoto(root, mistake.id), PREVIEW_SIDE, { white });
    return { ...mistake, image: `data:image/webp;base64,${preview.toString("base64")}` };
  });
  const { name, detector, level } = classifier;
  return { ...about, classifier: name, detector, level, photo, object, mistakes, unreadable };
}

type Kind = EvaluationMistake["kind"];

/** The kinds of mistakes: who makes one, and how bad it is. */
const KINDS: Readonly<
  Record<Kind, { isOne(line: JudgedPhoto): boolean; badness(line: JudgedPhoto): number }>
> = {
  "wrong class": {
    isOne: ({ role, className, verdict }) => role === "known" && verdict.className !== className,
    badness: ({ verdict }) => verdict.confidence,
  },
  "near called known": {
    isOne: ({ role, verdict }) => role === "near" && !verdict.isUnknown,
    badness: ({ verdict }) => verdict.score,
  },
  "far called known": {
    isOne: ({ role, verdict }) => role === "far" && !verdict.isUnknown,
    badness: ({ verdict }) => verdict.score,
  },
  "known called unknown": {
    isOne: ({ role, verdict }) => role === "known" && verdict.isUnknown,
    badness: ({ verdict }) => -verdict.score,
  },
};

/** At most {@link MOST_MISTAKES} of each kind, one of an object: views of one object fail together. */
function worstMistakes(lines: readonly JudgedPhoto[]): Omit<EvaluationMistake, "image">[] {
  return (Object.keys(KINDS) as Kind[]).flatMap((kind) => {
    const { isOne, badness } = KINDS[kind];
    const objects = new Set<string>();
    return lines
      .filter(isOne)
      .sort((a, b) => badness(b) - badness(a))
      .filter(({ photo: { object } }) => !objects.has(object) && objects.add(object))
      .slice(0, MOST_MISTAKES)
      .map(({ photo: { id, object }, className, verdict }) => ({
        ...{ kind, id, object, truth: className, answer: verdict.className },
        ...{ probability: verdict.confidence, knownness: verdict.pValue },
      }));
  });
}
