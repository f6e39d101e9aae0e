/**
 * libtorch or the addon cannot be found, built or loaded. The message has three parts: what is wrong, where,
 * and the remedies, one a line.
 */
export class LibraryError extends Error {
  readonly problem: string;
  readonly remedies: readonly string[];

  constructor(problem: string, remedies: readonly string[], options?: ErrorOptions) {
    super([problem, ...remedies.map((remedy) => `  - ${remedy}`)].join("\n"), options);
    this.name = "LibraryError";
    this.problem = problem;
    this.remedies = remedies;
  }
}
