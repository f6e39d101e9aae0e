import { HubError } from "./errors.ts";

/** A model, or a part of one, on the hub. */
export interface HubName {
  /** "owner/name". */
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** A file or a folder of the repository; null = all of it. */
  readonly path: string | null;
}

const PREFIX = "hf:";
const NAME = /^hf:([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([^/]+))?(?:\/(.+))?$/;

/** Whether a setting names something on the hub, and not a place on the disk. */
export function isHubName(text: string): boolean {
  return text.startsWith(PREFIX);
}

/**
 * Reads `hf:owner/name`, `hf:owner/name@revision` or `hf:owner/name@revision/path`; a "/" within a revision is written
 * %2F.
 *
 * @throws HubError for anything else
 */
export function parseHubName(text: string): HubName {
  const [, repository, revision = "main", path = null] = NAME.exec(text) ?? [];
  if (repository !== undefined && (path === null || isPlainPath(path)))
    return { repository, revision: decodeURIComponent(revision), path };
  throw new HubError(
    `"${text}" is no name on the Hugging Face hub. Write hf:owner/name, such as hf:timm/resnet18.a1_in1k, with @revision and /path where they are needed.`,
  );
}

/** Whether a path stays in the folder that it is taken from. */
export function isPlainPath(path: string): boolean {
  return !path.includes("\\") && path.split("/").every((part) => !["", ".", ".."].includes(part));
}
