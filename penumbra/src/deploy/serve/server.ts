import { basename, resolve } from "node:path";
import { serve } from "@hono/node-server";
import { type ArrivedObject, DeployError, type WatchAnswer } from "../classifier/index.ts";
import { type AppOptions, makeApp } from "./app.ts";
import { ServiceMetrics } from "./metrics.ts";
import { ServedModel, type ServedModelOptions } from "./served-model.ts";

export interface ServiceOptions extends AppOptions, ServedModelOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Proxies keep unused connections for up to a minute (nginx: 60 s, AWS: 60 s). */
const KEEP_ALIVE_MS = 75_000;

/** A service that answers. */
export interface Service {
  readonly url: string;
  /** What the first classifier says of objects, beside the requests. */
  judge(objects: readonly ArrivedObject[]): Promise<WatchAnswer[]>;
  /** Takes no more requests, answers those that are under way, and ends. */
  close(): Promise<void>;
}

/** What a service does where nothing else is said. */
export const SERVICE_DEFAULTS = {
  host: "127.0.0.1",
  port: 8080,
  device: "cpu",
  maxBatch: 64,
  maxWaitMs: 5,
  maxQueue: 512,
  maxBody: 32 * 2 ** 20,
  maxPixels: 50_000_000,
  maxViews: 64,
  maxPerClient: 128,
  trustProxy: false,
  timeoutMs: 10_000,
} as const satisfies ServiceOptions;

/**
 * Serves classifiers over HTTP, each by the name of its folder.
 *
 * @throws DeployError for a folder that holds no classifier, or one without the detector that is asked for, two of one
 * name, or a port that is taken
 * @example
 * const service = await startService(["models/parts"], { ...SERVICE_DEFAULTS, port: 8080 });
 */
export async function startService(folders: readonly string[], options: ServiceOptions): Promise<Service> {
  const models = new Map<string, ServedModel>();
  for (const folder of folders) {
    const name = basename(resolve(folder));
    if (models.has(name))
      throw new DeployError(`Two classifiers are called "${name}". Rename one of the folders.`);
    models.set(name, new ServedModel(folder, options));
  }
  const metrics = new ServiceMetrics(() => [...models].map(([name, { queue }]) => [name, queue] as const));
  const app = makeApp(models, metrics, options);
  const judge = async (object: ArrivedObject): Promise<WatchAnswer> => {
    const [name, model] = [...models][0]!;
    const answer = await model.judge(object);
    if (answer.verdict) metrics.verdict(name, answer.verdict);
    return answer;
  };
  await Promise.all([...models.values()].map((model) => model.warmUp()));
  const closeModels = () => Promise.all([...models.values()].map((model) => model.close()));
  return new Promise((resolvePromise, reject) => {
    const server = serve(
      { fetch: app.fetch, hostname: options.host, port: options.port },
      ({ address, port, family }) => {
        const host = family === "IPv6" ? `[${address}]` : address;
        resolvePromise({
          url: `http://${host}:${port}`,
          judge: (objects) => Promise.all(objects.map(judge)),
          async close() {
            await new Promise<void>((done) => {
              // Those that are answered yet are unused after that, and their clients may keep them.
              const sweeping = setInterval(() => {
                if ("closeIdleConnections" in server) server.closeIdleConnections();
              }, 50);
              server.close(() => {
                clearInterval(sweeping);
                done();
              });
            });
            await closeModels();
          },
        });
      },
    );
    // Longer than clients and proxies keep a connection that nobody uses: whoever ends it first while the other one sends
    // loses that request.
    if ("keepAliveTimeout" in server) server.keepAliveTimeout = KEEP_ALIVE_MS;
    server.on("error", (cause: NodeJS.ErrnoException) => {
      const why =
        cause.code === "EADDRINUSE"
          ? "is taken by another program. Give another --port"
          : `cannot be opened (${cause.code})`;
      void closeModels().then(() => reject(new DeployError(`The port ${options.port} ${why}.`, { cause })));
    });
  });
}
