/** What an image may be used as, or why it may not. */
export const ROLES_OF_IMAGES = {
  faithful: { title: "faithful", description: "Inside its class, and the classifier agrees" },
  "near-ood": { title: "near-OOD", description: "Just outside of every class" },
  doubtful: { title: "doubtful", description: "Inside its class by distance, but not to the classifier" },
  "other-class": { title: "another class", description: "Outside of its class, inside another one" },
  sure: {
    title: "still sure",
    description: "Just outside of every class, but the classifier is sure of its class",
  },
  "too-far": { title: "too far", description: "So far out that telling it is no help" },
} as const;

export type Role = keyof typeof ROLES_OF_IMAGES;

/** How an image looks to encoder and classifier that saw real photos alone. */
export interface Judged {
  /** Distance to the class of its photo; 1 = where real photos end (`fitNearness`). */
  readonly own: number;
  /** Distance to the nearest class, and that class. */
  readonly nearest: number;
  readonly nearestClass: string;
  /** Probability of its photo's class, of the class that it was drawn towards, and the most probable class. */
  readonly probability: number;
  readonly wordProbability: number;
  readonly answer: string;
}

/** Where known ends and too far begins. */
export interface Band {
  /** Beyond this distance from every class an image is too far; above 1. */
  readonly upper: number;
  /** Probability of its photo's class above which an image beside it is none to learn from, 0..1. */
  readonly probability: number;
}

export interface Verdict {
  readonly role: Role;
  /** In words, with the numbers that decided. */
  readonly reason: string;
}

/** What an image made of a photo of `className` may be used as. */
export function roleOf(judged: Judged, className: string, { upper, probability: most }: Band): Verdict {
  const { own, nearest, nearestClass, probability, answer } = judged;
  const at = (distance: number) => distance.toFixed(2);
  if (own <= 1) {
    return answer === className
      ? { role: "faithful", reason: `At ${at(own)} from its class (known to 1), and called so` }
      : { role: "doubtful", reason: `At ${at(own)} from its class (known to 1), but called ${answer}` };
  }
  if (nearest <= 1) {
    return { role: "other-class", reason: `At ${at(nearest)} from ${nearestClass} (known to 1)` };
  }
  if (nearest > upper) {
    return { role: "too-far", reason: `At ${at(nearest)} from the nearest class (near to ${at(upper)})` };
  }
  if (probability > most) {
    return {
      role: "sure",
      reason: `Called its class with a probability of ${probability.toFixed(3)} (at most ${most})`,
    };
  }
  return { role: "near-ood", reason: `At ${at(nearest)} from the nearest class (1 to ${at(upper)})` };
}
