import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

/** What the case printed; fails where its process is killed or does not end. */
async function outcomeOf(name: string): Promise<string> {
  const child = join(import.meta.dirname, "hazards.child.ts");
  const args = ["--import", "tsx", "--conditions=source", child, name];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
  return stdout;
}

describe("a custom function's backward", () => {
  test.each(["gradOfOwnOutput", "backwardOfOwnOutput", "gradOfOuterOutput"])(
    "that would wait for its own end is refused: %s",
    async (name) => {
      expect(await outcomeOf(name)).toMatch(/TorchError: .*wait for its own end/);
    },
  );

  test("may differentiate up to its own output", async () => {
    expect(await outcomeOf("gradToOwnOutput")).toBe("5.4365\n");
  });
});

test("JavaScript that runs while a generator's state is wrapped may draw from it", async () => {
  expect(await outcomeOf("drawDuringGetState")).toMatch(/^\[ \d+ \]/);
});

test.each(["truncated", "rewritten"])(
  "tensors that were read stay what they were when their file is %s in place",
  async (name) => {
    expect(await outcomeOf(name)).toBe("1000000\n");
  },
);
