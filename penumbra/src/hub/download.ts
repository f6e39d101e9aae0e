import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type HubClient, PassingFailure, type RemoteFile } from "./client.ts";
import { HubError } from "./errors.ts";

export interface DownloadOptions {
  /** Tries that bring nothing before it is given up. */
  readonly tries: number;
  /** Before the second try; doubled before each further one. */
  readonly waitMs: number;
  /** Told the bytes of this file that are there. */
  readonly onProgress: (bytes: number) => void;
}

/**
 * Downloads a file to `blob`, by way of `blob.incomplete`, which the next try and the next run go on from. Bytes are
 * written at their places, so two processes that download the same file write the same.
 *
 * @throws HubError where the hub refuses or cannot be reached, and for contents that are not what it announced
 */
export async function download(
  client: HubClient,
  file: RemoteFile,
  commit: string,
  blob: string,
  { tries, waitMs, onProgress }: DownloadOptions,
): Promise<void> {
  const aside = `${blob}.incomplete`;
  await mkdir(dirname(blob), { recursive: true });
  let have = await sizeOf(aside);
  if (have > file.size) {
    await rm(aside);
    have = 0;
  }
  onProgress(have);
  for (let failures = 0; have < file.size || file.size === 0; ) {
    const before = have;
    let reason = "the connection ended early";
    try {
      have = await append(client, file, commit, aside, have, onProgress);
      if (have === file.size) break;
    } catch (cause) {
      if (cause instanceof HubError) throw cause;
      reason = String((cause as Error).message ?? cause);
      have = await sizeOf(aside);
    }
    failures = have > before ? 0 : failures + 1;
    if (failures >= tries) {
      const part = `${toMegabytes(have)} of ${toMegabytes(file.size)} MB`;
      throw new HubError(
        `${file.path} did not arrive: ${reason}; ${part} are there. Run it again to go on from there.`,
      );
    }
    await sleep(waitMs * 2 ** failures);
  }
  if (existsSync(blob)) return rm(aside, { force: true });
  if ((await digestOf(aside, file)) !== file.etag) {
    await rm(aside, { force: true });
    throw new HubError(
      `${file.path} is not what the hub announced: its hash is not ${file.etag}. What was downloaded is deleted; run it again.`,
    );
  }
  await rename(aside, blob);
}

/** Writes what comes from `start` on; returns how much is there. Throws what ends it early. */
async function append(
  client: HubClient,
  file: RemoteFile,
  commit: string,
  aside: string,
  have: number,
  onProgress: (bytes: number) => void,
): Promise<number> {
  const target = await open(aside, existsSync(aside) ? "r+" : "w");
  try {
    if (file.size === 0) return 0;
    const { start, bytes } = await client.open(file, commit, have);
    let at = start;
    for await (const chunk of bytes) {
      if (at + chunk.length > file.size) throw new PassingFailure("more bytes came than were announced");
      for (let done = 0; done < chunk.length; ) {
        const { bytesWritten } = await target.write(chunk, done, chunk.length - done, at + done);
        done += bytesWritten;
      }
      at += chunk.length;
      onProgress(at);
    }
    return Math.max(at, have);
  } finally {
    await target.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  return existsSync(path) ? (await stat(path)).size : 0;
}

/** In the form of the file's etag: SHA-256, or git's SHA-1 of a blob. */
async function digestOf(path: string, { etag, size }: RemoteFile): Promise<string> {
  const hash = etag.length === 40 ? createHash("sha1").update(`blob ${size}\0`) : createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

/** In millions of bytes, as the hub shows sizes. */
export function toMegabytes(bytes: number): string {
  return (bytes / 1e6).toPrecision(3);
}
