/**
 * Processes that work together cannot go on: they did not find each other, one has ended, or they did not come to the
 * same operation in time. The message says which operation failed, on which rank, and what to do.
 */
export class DistributedError extends Error {
  override readonly name = "DistributedError";
}

/** What an error of c10d or Gloo means for the one who reads it. */
export function explainFailure(cause: unknown, timeoutMs: number): string {
  const text = (cause instanceof Error ? cause.message : String(cause))
    .replace(/^\[[^\]]*\] /, "") // the line of Gloo's source
    .replace(/\.? This is typically caused by.*$/s, "");
  if (/clos(ed|ing)|reset by peer|broken pipe|ECONNRESET|EPIPE/i.test(text)) {
    return `The connection to another rank was closed: its process has ended. Read what that rank printed last, then start all ranks again. (${text})`;
  }
  if (/tim(ed?|e) ?out/i.test(text)) {
    return `Not every rank took part within the time limit of ${timeoutMs / 1000} s. Does each rank make the same calls in the same order? If one is only slow, raise timeoutMs. (${text})`;
  }
  return text;
}
