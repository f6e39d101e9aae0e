import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

/** Thrown when another process works in the same run folder. */
export class RunInUseError extends Error {
  override readonly name = "RunInUseError";
}

/**
 * Claims a run folder for this process, so that two studies never write the same stage; returns what releases it.
 * The claim of a process that no longer lives (killed, machine restarted) is taken over.
 *
 * Throws RunInUseError while its owner lives.
 */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, "study.lock");
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(`${process.pid}\n`);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const owner = Number.parseInt(await readFile(path, "utf8").catch(() => ""), 10);
      if (Number.isInteger(owner) && owner !== process.pid && isAlive(owner)) {
        throw new RunInUseError(
          `Another study (process ${owner}) is working in ${folder}. Wait for it, stop it, or choose another folder with --out.`,
        );
      }
      await rm(path, { force: true });
    }
  }
  throw new RunInUseError(`The lock ${path} cannot be taken. Remove the file if no study runs there.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
