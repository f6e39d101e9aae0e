/** The words of a language other than English. */
export interface Dictionary {
  /** What stands between the whole part of a number and its decimals. */
  readonly decimal: string;
  /**
   * Pieces of `html` templates: the text between two tags that are not `<b>`, `<i>`, `<em>`, `<code>` or `<br>`, or what
   * stands in `aria-label`, `alt` or `title`; {0} is the first value within it, {1} the second.
   */
  readonly templates: Readonly<Record<string, string>>;
  /**
   * Whole texts, where they come from values. A key with places stands for all that fit: {0} any text, {0#} a number, {0!} a
   * name that a user gave, which is kept. Its words name the places {0}, {1} …
   */
  readonly texts: Readonly<Record<string, string>>;
}
