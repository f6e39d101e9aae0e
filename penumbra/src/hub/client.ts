import { HubError } from "./errors.ts";
import type { HubName } from "./name.ts";
import type { HubSettings } from "./settings.ts";

/** A file of a repository. */
export interface RemoteFile {
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** SHA-256 where the file is stored apart (LFS, Xet), else git's SHA-1 of a blob. */
  readonly etag: string;
}

/** What a repository holds at a commit. */
export interface Listing {
  readonly commit: string;
  readonly files: readonly RemoteFile[];
}

/** The hub cannot be reached, or is busy: another try may succeed. */
export class PassingFailure extends Error {
  /** Whether there is a hub, which asks for patience. */
  readonly isBusy: boolean;

  constructor(message: string, { isBusy = false, cause }: { isBusy?: boolean; cause?: unknown } = {}) {
    super(message, { cause });
    this.isBusy = isBusy;
  }
}

/**
 * Asks the hub through `@huggingface/hub`, which is loaded by the first question. The token goes to the endpoint and
 * to no other host.
 */
export class HubClient {
  readonly #settings: HubSettings;
  readonly #name: HubName;

  constructor(settings: HubSettings, name: HubName) {
    this.#settings = settings;
    this.#name = name;
  }

  /** @throws HubError where the hub refuses, PassingFailure where it cannot be reached */
  async list(): Promise<Listing> {
    const { listFiles, modelInfo } = await import("@huggingface/hub");
    const { repository, revision } = this.#name;
    const asked = { hubUrl: this.#settings.endpoint, fetch: this.#fetch };
    return this.#answered(async () => {
      const info = { ...asked, name: repository, revision, additionalFields: ["sha" as const] };
      const { sha: commit } = await modelInfo(info);
      const files: RemoteFile[] = [];
      for await (const entry of listFiles({
        ...asked,
        repo: repository,
        revision: commit,
        recursive: true,
      })) {
        if (entry.type !== "file") continue;
        files.push({ path: entry.path, size: entry.size, etag: entry.lfs?.oid ?? entry.oid! }); // files have one
      }
      return { commit, files };
    });
  }

  /**
   * The bytes of a file from `start` on.
   *
   * @returns where the bytes begin, 0 where the server sends everything again, and the bytes
   * @throws HubError where the hub refuses, PassingFailure where it cannot be reached
   */
  async open(file: RemoteFile, commit: string, start: number): Promise<{ start: number; bytes: ByteStream }> {
    const { downloadFile } = await import("@huggingface/hub");
    const { repository } = this.#name;
    const path = file.path.split("/").map(encodeURIComponent).join("/");
    const url = `${this.#settings.endpoint}/${repository}/resolve/${commit}/${path}`;
    let answered: (isPart: boolean) => void = () => {};
    let refused: (reason: unknown) => void = () => {};
    const answer = new Promise<boolean>((resolve, reject) => {
      answered = resolve;
      refused = reject;
    });
    const fetch = async (...request: Parameters<typeof globalThis.fetch>) => {
      try {
        const response = await this.#fetch(...request);
        answered(response.status === 206);
        return response;
      } catch (cause) {
        refused(cause);
        throw cause;
      }
    };
    return this.#answered(async () => {
      const blob = await downloadFile({
        ...{ repo: repository, path: file.path, revision: commit, hubUrl: this.#settings.endpoint, fetch },
        // Chunks by Xet's own protocol cannot be gone on with: the same files come by plain HTTP too.
        ...{ xet: false, downloadInfo: { size: file.size, etag: file.etag, url } },
      });
      const bytes = blob!.slice(start).stream() as unknown as ByteStream; // null is for files that are not there
      return { start: (await answer) ? start : 0, bytes };
    });
  }

  readonly #fetch = async (input: Parameters<typeof fetch>[0], init: RequestInit = {}): Promise<Response> => {
    const { endpoint, token } = this.#settings;
    const headers = new Headers(init.headers);
    const url = new URL(input instanceof Request ? input.url : input);
    if (token && url.origin === new URL(endpoint).origin) headers.set("Authorization", `Bearer ${token}`);
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers });
    } catch (cause) {
      throw new PassingFailure(`${endpoint} cannot be reached (${reasonOf(cause)})`, { cause });
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw this.#refusal(response);
  };

  /** Errors of the library itself mean an answer of another form. */
  async #answered<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      if (cause instanceof HubError || cause instanceof PassingFailure) throw cause;
      throw new HubError(
        `${this.#settings.endpoint} does not answer as a Hugging Face hub does: ${reasonOf(cause)}. Correct HF_ENDPOINT.`,
        { cause },
      );
    }
  }

  #refusal({ status, headers }: Response): Error {
    const { repository, revision } = this.#name;
    const { endpoint, token } = this.#settings;
    const page = `${endpoint}/${repository}`;
    const code = headers.get("x-error-code");
    if (code === "GatedRepo" || status === 403)
      return new HubError(
        `${repository} is gated: its terms have to be accepted. Do so at ${page}, and set HF_TOKEN to a token of that account.`,
      );
    if (status === 401)
      return new HubError(
        token
          ? `The hub refuses the token (401) for ${repository}. Set HF_TOKEN to a valid one, or unset it for public models.`
          : `${repository} is not on the hub, or is private (401). Correct the name, or set HF_TOKEN to a token that may read it.`,
      );
    if (status === 404)
      return new HubError(
        code === "RevisionNotFound"
          ? `${repository} has no revision "${revision}". See ${page}/tree/main for what there is.`
          : `${repository} is not on the hub (404 from ${endpoint}). Correct the name.`,
      );
    if (status === 429 || status >= 500)
      return new PassingFailure(`${endpoint} answers ${status}`, { isBusy: true });
    return new HubError(`The hub refuses ${repository} with status ${status}. See ${page}.`);
  }
}

/** Bytes as they come. */
export type ByteStream = AsyncIterable<Uint8Array>;

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? cause.cause.message : cause.message;
}
