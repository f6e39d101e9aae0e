import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  readJsonLines,
  writeFileAtomic,
  writeFileAtomicSync,
  writeFolder,
  writeFolderAsync,
  writeJsonLines,
} from "../../src/files/index.ts";

const scratch = mkdtempSync(join(tmpdir(), "penumbra-files-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const writers = {
  writeFileAtomic,
  "writeFileAtomic without a flush": (path: string, content: string) =>
    writeFileAtomic(path, content, { flush: false }),
  writeFileAtomicSync: async (path: string, content: string) => writeFileAtomicSync(path, content),
};

describe.each(Object.entries(writers))("%s", (name, write) => {
  const folder = join(scratch, name);

  test("makes the folder, replaces what was there and leaves nothing beside the file", async () => {
    const path = join(folder, "deep", "file.txt");
    await write(path, "old");
    await write(path, "new");
    expect(readFileSync(path, "utf8")).toBe("new");
    expect(readdirSync(join(folder, "deep"))).toEqual(["file.txt"]);
  });

  test("leaves nothing behind where the name cannot be taken", async () => {
    mkdirSync(join(folder, "taken", "inside"), { recursive: true });
    await expect(write(join(folder, "taken"), "text")).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(readdirSync(folder).sort()).not.toContainEqual(expect.stringContaining(".partial"));
  });

  test("of many writers at once one wins, whole", async () => {
    const path = join(folder, "contested.txt");
    const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
    await Promise.all(texts.map((text) => write(path, text)));
    expect(texts).toContain(readFileSync(path, "utf8"));
  });
});

const folderWriters = {
  writeFolder: async (folder: string, fill: (aside: string) => void) => writeFolder(folder, fill),
  writeFolderAsync: (folder: string, fill: (aside: string) => void) =>
    writeFolderAsync(folder, async (aside) => fill(aside)),
};

describe.each(Object.entries(folderWriters))("%s", (name, write) => {
  const parent = join(scratch, name);
  const folder = join(parent, "made");

  test("replaces the folder as a whole", async () => {
    await write(folder, (aside) => writeFileSync(join(aside, "first"), "1"));
    await write(folder, (aside) => {
      expect(readdirSync(folder)).toEqual(["first"]);
      writeFileSync(join(aside, "second"), "2");
    });
    expect(readdirSync(folder)).toEqual(["second"]);
    expect(readdirSync(parent)).toEqual(["made"]);
  });

  test("keeps the old folder where filling the new one throws", async () => {
    const failing = write(folder, (aside) => {
      writeFileSync(join(aside, "third"), "3");
      throw new Error("no space left");
    });
    await expect(failing).rejects.toThrow("no space left");
    expect(readdirSync(folder)).toEqual(["second"]);
    expect(readdirSync(parent)).toEqual(["made"]);
  });
});

/** Runs a program with what the room exports, in a process of its own that kills itself. */
function killedAmid(program: string): void {
  const files = new URL("../../src/files/index.ts", import.meta.url).href;
  const whole = `const { writeFolder, writeFileAtomicSync } = await import(${JSON.stringify(files)}); ${program}`;
  const options = ["--import", "tsx", "--conditions=source", "--input-type=module", "--eval", whole];
  expect(spawnSync(process.execPath, options).signal).toBe("SIGKILL");
}

describe.each(Object.entries(writers))(
  "what a process leaves that was killed while it wrote a file",
  (name, write) => {
    test(`is removed by the next ${name} in that folder`, async () => {
      const place = join(scratch, `killed beside ${name}`);
      // Killed while its bytes go to the disk.
      killedAmid(`
        const { default: fs } = await import("node:fs");
        fs.fsyncSync = () => process.kill(process.pid, "SIGKILL");
        (await import("node:module")).syncBuiltinESMExports();
        writeFileAtomicSync(${JSON.stringify(join(place, "file.txt"))}, "half");`);
      const [left = ""] = readdirSync(place);
      expect(left).toMatch(/^file\.txt\..*\.partial$/);
      // Those of a process that lives, and of another machine, are not touched.
      const others = [
        left.replace(/-\d+-/, `-${process.ppid}-`),
        left.replace(/\.[0-9a-f]{8}-/, ".00000000-"),
      ];
      for (const other of others) writeFileSync(join(place, other), "");
      await write(join(place, "another.txt"), "text");
      expect(readdirSync(place).sort()).toEqual(["another.txt", ...others].sort());
    });
  },
);

describe("what a process leaves that was killed while it wrote a folder", () => {
  const killedAmidFolder = (folder: string) =>
    killedAmid(`writeFolder(${JSON.stringify(folder)}, () => process.kill(process.pid, "SIGKILL"));`);

  test("is removed by the next one that writes this folder, and by no other", () => {
    const parent = join(scratch, "killed");
    killedAmidFolder(join(parent, "made"));
    expect(readdirSync(parent)).toEqual([expect.stringMatching(/^\.made\..*\.partial$/)]);
    writeFolder(join(parent, "other"), () => {});
    expect(readdirSync(parent)).toHaveLength(2);
    // That of a process that lives is not touched.
    writeFolder(join(parent, "made"), () => {
      writeFolder(join(parent, "made"), (aside) => writeFileSync(join(aside, "inner"), ""));
      expect(readdirSync(parent).filter((name) => name.endsWith(".partial"))).toHaveLength(1);
    });
    expect(readdirSync(parent).sort()).toEqual(["made", "other"]);
  });

  test("is the old folder again where the new one never took its name", () => {
    const parent = join(scratch, "between");
    const folder = join(parent, "made");
    killedAmidFolder(folder);
    const [aside = ""] = readdirSync(parent);
    // Killed between the two renames.
    renameSync(join(parent, aside), join(parent, aside.replace(".partial", ".old")));
    writeFileSync(join(parent, aside.replace(".partial", ".old"), "kept"), "");
    expect(() =>
      writeFolder(folder, () => {
        expect(readdirSync(folder)).toEqual(["kept"]);
        throw new Error("no space left");
      }),
    ).toThrow("no space left");
    expect(readdirSync(parent)).toEqual(["made"]);
    expect(readdirSync(folder)).toEqual(["kept"]);
  });
});

test("lines of JSON come back as they were written", async () => {
  const path = join(scratch, "lines.jsonl");
  const lines = [{ a: 1 }, ["x\ny", null], "text"];
  await writeJsonLines(path, lines);
  expect(await readJsonLines(path)).toEqual(lines);
  expect(existsSync(path)).toBe(true);
});
