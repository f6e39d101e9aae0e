import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as torch from "@penumbra/torch";
import { describe, expect, test } from "vitest";

const { tensor } = torch;

/** The warnings that arrive for what `fn` does. */
async function warningsOf(fn: () => void): Promise<Error[]> {
  const heard: Error[] = [];
  const listen = (warning: Error) => heard.push(warning);
  process.on("warning", listen);
  fn();
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", listen);
  return heard;
}

const resizeOutput = (from: number, to: number) =>
  torch.call("aten::add.out", torch.ones([to]), torch.ones([to]), { out: torch.ones([from]) });

describe("warnings of libtorch", () => {
  test("become warnings of the process, without places in C++, once per text", async () => {
    const heard = await warningsOf(() => {
      resizeOutput(2, 3);
      resizeOutput(2, 3);
      resizeOutput(2, 4);
    });
    expect(heard).toHaveLength(2);
    for (const { name, message } of heard) {
      expect(name).toBe("TorchWarning");
      expect(message).toMatch(/^An output with one or more elements was resized since it had shape \[2\]/);
      expect(message).not.toMatch(/\.cpp|function operator/);
    }
  });

  test("of the autograd engine arrive too, from within a custom function as well", async () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const noisy = torch.customFunction(
      {
        forward: (v: torch.Tensor) => v.mul(2),
        backward: (g) => {
          resizeOutput(5, 6);
          return g!.mul(2);
        },
      },
      x,
    );
    const heard = await warningsOf(() => noisy.sum().backward(null, { createGraph: true }));
    const texts = heard.map(({ message }) => message).join("\n");
    expect(texts).toMatch(/create_graph=True/);
    expect(texts).toMatch(/had shape \[5\]/);
  });

  test("arrive where the call fails afterwards, together with the error", async () => {
    const much = torch.ones([1]).expand([2 ** 48]);
    const heard = await warningsOf(() => {
      const fail = () => torch.call("aten::add.out", much, much, { out: torch.ones([3]) });
      expect(fail).toThrow(/memory/);
    });
    expect(heard.map(({ message }) => message)).toEqual([expect.stringMatching(/had shape \[3\]/)]);
  });

  test("come to the thread that made the call, and threads may be ended amid them", () => {
    const child = fileURLToPath(new URL("warnings.child.ts", import.meta.url));
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--no-warnings", "--import", "tsx", "--conditions=source", child],
      { encoding: "utf8", timeout: 100_000 },
    );
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const heard = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { thread: string; name: string; message: string });
    const sizes = heard.map(({ thread, message }) => `${thread} ${/had shape (\[\d+\])/.exec(message)?.[1]}`);
    expect(sizes).toEqual(["main [2]", "worker [6]", "main [4]"]);
  });
});
