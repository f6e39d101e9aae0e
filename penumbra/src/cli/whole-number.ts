import { InvalidArgumentError } from "commander";

/** Reads an argument that must be a whole number of at least `least`, and at most `most`. */
export function wholeNumber(least: number, most = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      const range = most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
      throw new InvalidArgumentError(`It must be a whole number ${range}.`);
    }
    return value;
  };
}

/** Reads a port to listen on; 0 takes a free one. */
export const portNumber = wholeNumber(0, 65_535);
