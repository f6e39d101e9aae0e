import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

/**
 * What the names of files and folders end with that are being written, here and by the engine: whatever is found
 * under such a name was cut off.
 */
export const ASIDE_ENDING = ".partial";

/** Tells processes of this machine from those of another that writes to the same disk. */
const HOST = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);

/** The start of a name, and who writes under it: no other writer takes it, two processes may write the same thing. */
export function asideStem(name: string): string {
  return `${name}.${HOST}-${process.pid}-${randomBytes(4).toString("hex")}`;
}

/** What processes of this machine that were killed amid their work have left in a folder, by the name they wrote. */
export function leftByDead(place: string): { readonly path: string; readonly of: string }[] {
  if (!existsSync(place)) return [];
  return readdirSync(place).flatMap((name) => {
    const [, of, host, pid] = /^(.+)\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.[a-z]+$/.exec(name) ?? [];
    const isLeft = host === HOST && Number(pid) !== process.pid && !isAlive(Number(pid));
    return isLeft ? [{ path: join(place, name), of: of! }] : [];
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH"; // EPERM: somebody else's, and alive
  }
}
