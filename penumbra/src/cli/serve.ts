import { join } from "node:path";
import { Command } from "commander";
import { detectorOption } from "./detector.ts";
import { portNumber, wholeNumber } from "./whole-number.ts";

interface ServeFlags {
  readonly host?: string;
  readonly port?: number;
  readonly device?: string;
  readonly detector?: string;
  readonly maxBatch?: number;
  readonly maxWaitMs?: number;
  readonly maxQueue?: number;
  readonly maxBody?: number;
  readonly maxPixels?: number;
  readonly timeoutMs?: number;
  readonly maxPerClient?: number;
  readonly trustProxy?: boolean;
  readonly keepUnknown?: string;
  readonly watch?: string;
  readonly views?: boolean;
  readonly log?: string;
}

/** `penumbra serve MODEL…`: classifiers over HTTP. */
export function serveCommand(): Command {
  return new Command("serve")
    .description("answer over HTTP: POST /predict, the Open Inference Protocol v2, /metrics, and a page at /")
    .argument("<models...>", "classifiers, as made by penumbra train: models/NAME")
    .option("--port <port>", "port to listen on; 0 takes a free one (default: 8080)", portNumber)
    .option("--host <host>", "address to listen on; 0.0.0.0 for all (default: 127.0.0.1)")
    .option("--device <device>", "cpu, cuda or cuda:N (default: cpu)")
    .addOption(detectorOption())
    .option(
      "--max-batch <photos>",
      "photos that go through the network together (default: 64)",
      wholeNumber(1),
    )
    .option("--max-wait-ms <ms>", "how long a photo waits for company (default: 5)", wholeNumber(0))
    .option("--max-queue <photos>", "photos that wait at most; more get 503 (default: 512)", wholeNumber(1))
    .option("--max-body <bytes>", "size of a request at most (default: 32 MiB)", wholeNumber(1))
    .option("--max-pixels <pixels>", "pixels of a photo at most (default: 50 million)", wholeNumber(1))
    .option(
      "--max-per-client <requests>",
      "requests of one client under way at most; more get 429 (default: 128)",
      wholeNumber(1),
    )
    .option("--trust-proxy", "the client is who X-Forwarded-For says last (behind a proxy of your own)")
    .option("--timeout-ms <ms>", "when a request is given up (default: 10000)", wholeNumber(1))
    .option("--keep-unknown <folder>", "keep the photos of unknown objects: tomorrow's class")
    .option(
      "--watch <folder>",
      "also judge what lies or arrives in a folder, each object once, by the first classifier",
    )
    .option("--views", "with --watch: the photos of one folder are views of one object")
    .option("--log <file>", "lines of JSON that --watch appends to (default: verdicts.jsonl in the folder)")
    .addHelpText(
      "after",
      "\nPENUMBRA_TOKEN, where set, is what requests must bring: Authorization: Bearer TOKEN.",
    )
    .action(async (models: string[], { watch, views, log, ...flags }: ServeFlags) => {
      const { SERVICE_DEFAULTS, startService, watchPhotos } = await import("../deploy/index.ts");
      for (const [name, value] of Object.entries({ log, views }))
        if (value !== undefined && watch === undefined)
          throw new Error(`--${name} is for --watch: give both, or leave it out.`);
      const token = process.env.PENUMBRA_TOKEN;
      const print = (line: object) =>
        process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), ...line })}\n`);
      const service = await startService(models, {
        ...{ ...SERVICE_DEFAULTS, ...flags, ...(token && { token }) },
        onRequest: (entry) => print({ event: "request", ...entry }),
      });
      print({ event: "listening", url: service.url, models });
      const stop = new AbortController();
      const watching =
        watch === undefined
          ? Promise.resolve()
          : watchPhotos(watch, {
              ...{ log: log ?? join(watch, "verdicts.jsonl"), signal: stop.signal },
              ...{ views: views ?? false, judge: (objects) => service.judge(objects) },
              onEntry: (entry) => print({ event: "watched", ...entry }),
            });
      watching.catch((error: Error) => {
        process.stderr.write(`Error: ${error.message}\n`);
        process.exit(1);
      });
      let isEnding = false;
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.on(signal, () => {
          if (isEnding) process.exit(1); // the second time: at once
          isEnding = true;
          print({ event: "ending", signal });
          stop.abort();
          void watching.then(() => service.close()).then(() => process.exit(0));
        });
      }
    });
}
