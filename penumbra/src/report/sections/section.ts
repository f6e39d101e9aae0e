import type { Outcome } from "../../results/index.ts";
import type { Html } from "../html.ts";

/** Turns an image's path in the run folder into what stands in `src`, usually a data URI. */
export type ImageSource = (path: string) => string;

/** A part of the page. To add one: a file with its entry, and a line in the table. */
export interface Section {
  /** Anchor in the page. */
  readonly name: string;
  /** Its link in the page's navigation. */
  readonly navigation: string;
  /** Its heading. */
  title(outcome: Outcome): string;
  /** Whether the outcome has anything to show here. */
  isShown(outcome: Outcome): boolean;
  /** What stands below the heading; called only where `isShown`. */
  render(outcome: Outcome, source: ImageSource): Html;
}
