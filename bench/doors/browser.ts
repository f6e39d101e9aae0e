/** Headless Chromium, driven through a pipe (DevTools protocol): nothing but the browser is needed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

interface Answer {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: Record<string, unknown>;
}

/** A browser with one page. */
export class Browser {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #session: string | undefined;
  #count = 0;

  private constructor(process: ChildProcess, profile: string) {
    this.#process = process;
    this.#profile = profile;
    let rest = "";
    (process.stdio[4] as Readable).on("data", (chunk: Buffer) => {
      const messages = (rest + chunk.toString()).split("\0");
      rest = messages.pop()!;
      for (const message of messages) {
        const answer = JSON.parse(message) as Answer;
        if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer);
      }
    });
  }

  static async start(chromium: string, flags: readonly string[] = []): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), "penumbra-chromium-"));
    const usual = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"];
    const process = spawn(chromium, [...usual, `--user-data-dir=${profile}`, ...flags, "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const browser = new Browser(process, profile);
    const { targetInfos } = await browser.send("Target.getTargets");
    const [page] = (targetInfos as { type: string; targetId: string }[]).filter(
      ({ type }) => type === "page",
    );
    const attached = await browser.send("Target.attachToTarget", { targetId: page!.targetId, flatten: true });
    browser.#session = attached.sessionId as string;
    await browser.send("Page.enable");
    return browser;
  }

  /** A command of the DevTools protocol. @throws Error where the browser refuses it */
  async send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#count;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    const message = { id, method, params, ...(this.#session && { sessionId: this.#session }) };
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify(message)}\0`);
    const { error, result } = await answered;
    this.#waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result!;
  }

  /** What an expression comes to in the page; promises are awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send("Runtime.evaluate", {
      ...{ expression, awaitPromise: true, returnByValue: true, userGesture: true },
    })) as {
      result: { value: T };
      exceptionDetails?: { exception?: { description?: string }; text: string };
    };
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression is true. @throws Error after `seconds` */
  async until(what: string, expression: string, seconds = 120): Promise<void> {
    for (const end = Date.now() + 1000 * seconds; Date.now() < end; ) {
      if (await this.evaluate<boolean>(`Boolean(${expression})`)) return;
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`After ${seconds} seconds still not so: ${what}.`);
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.send("Page.captureScreenshot", {
      format: "png",
      captureBeyondViewport: true,
    });
    return Buffer.from(data as string, "base64");
  }

  async close(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.kill()) await once(this.#process, "exit");
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
