import { randomUUID, timingSafeEqual } from "node:crypto";
import { getConnInfo } from "@hono/node-server/conninfo";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { ImageError, TooLargeRefusal } from "../../images/index.ts";
import { DeployError, verdictName } from "../classifier/index.ts";
import { QueueFullError } from "./batcher.ts";
import { modelOf, refuse, type ServiceEnv } from "./handlers.ts";
import { MOST_NEIGHBOURS, type ServedVerdict } from "./judge.ts";
import type { ServiceMetrics } from "./metrics.ts";
import { openApiOf } from "./openapi.ts";
import { pageOf } from "./page.ts";
import { inferencePaths } from "./protocol-v2.ts";
import { MediaTypeError, type ServedModel } from "./served-model.ts";

export interface AppOptions {
  /** Bytes of a request's body at most. */
  readonly maxBody: number;
  /** Photos of one object at most. */
  readonly maxViews: number;
  /** Milliseconds after which a request is given up. */
  readonly timeoutMs: number;
  /** Requests of one client that may be under way at once; more are refused, so that none takes the whole queue. */
  readonly maxPerClient: number;
  /** Whether the client is who the last X-Forwarded-For says: behind a proxy of one's own only. */
  readonly trustProxy: boolean;
  /** Where set, requests must bring it: `Authorization: Bearer TOKEN`. Health and the page do without. */
  readonly token?: string;
  /** Told of every request when it is answered. */
  readonly onRequest?: (entry: RequestEntry) => void;
}

/** A line of the service's log. */
export interface RequestEntry {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly ms: number;
  readonly error?: string;
}

/** Paths that anybody may ask for. */
const OPEN_PATHS = new Set(["/", "/health", "/openapi.json", "/v2/health/live", "/v2/health/ready"]);

/**
 * The HTTP service of classifiers by name, on web standards: `app.fetch(request)` answers anywhere.
 *
 * @throws DeployError without a classifier
 */
export function makeApp(
  models: ReadonlyMap<string, ServedModel>,
  metrics: ServiceMetrics,
  options: AppOptions,
): Hono<ServiceEnv> {
  const [first] = models.keys();
  if (first === undefined)
    throw new DeployError("There is no classifier to serve. Name at least one folder.");
  const predict = async (name: string, files: readonly Uint8Array[]): Promise<ServedVerdict> => {
    if (files.length > options.maxViews)
      throw refuse(
        413,
        `The object has ${files.length} photos, and ${options.maxViews} are allowed. Send fewer.`,
      );
    const verdict = await inTime(modelOf(models, name).predict(files), options.timeoutMs);
    metrics.verdict(name, verdict);
    return verdict;
  };

  const app = new Hono<ServiceEnv>();
  app.use(async (context, next) => {
    const startedAt = performance.now();
    context.set("id", context.req.header("x-request-id") ?? randomUUID());
    await next();
    context.header("x-request-id", context.get("id"));
    const ms = performance.now() - startedAt;
    const { status } = context.res;
    const { method, path } = context.req;
    metrics.request(context.req.routePath, status, ms / 1000);
    const error = context.get("error");
    options.onRequest?.({ id: context.get("id"), method, path, status, ms, ...(error && { error }) });
  });
  app.use(async (context, next) => {
    if (options.token !== undefined && !OPEN_PATHS.has(context.req.path))
      requireToken(context, options.token);
    await next();
  });
  const underWay = new Map<string, number>();
  app.use(async (context, next) => {
    if (context.req.method !== "POST") return next();
    const client = clientOf(context, options.trustProxy);
    const count = underWay.get(client) ?? 0;
    if (count >= options.maxPerClient)
      throw refuse(
        429,
        `${count} requests of this client are under way, and ${options.maxPerClient} may be. Wait for answers before sending more.`,
      );
    underWay.set(client, count + 1);
    try {
      await next();
    } finally {
      const left = underWay.get(client)! - 1;
      if (left > 0) underWay.set(client, left);
      else underWay.delete(client);
    }
  });
  app.use(
    bodyLimit({
      maxSize: options.maxBody,
      onError: () => {
        throw refuse(413, `The body is larger than ${options.maxBody} bytes. Send smaller photos.`);
      },
    }),
  );

  app.get("/", (context) => context.html(pageOf([...models.keys()])));
  app.get("/health", (context) => context.json({ status: "ok", models: [...models.keys()] }));
  app.get("/openapi.json", (context) =>
    context.json(openApiOf([...models.keys()], options.token !== undefined)),
  );
  app.get("/metrics", async (context) =>
    context.text(await metrics.text(), 200, { "content-type": metrics.contentType }),
  );
  app.get("/models", (context) => context.json([...models].map(([name, { info }]) => ({ ...info, name }))));
  app.post("/predict", async (context) => {
    const name = context.req.query("model") ?? first;
    const count = neighboursOf(context.req.query("neighbours"));
    const { neighbours, ...verdict } = await predict(name, await filesOf(context));
    return context.json({
      ...{ model: name, verdict: verdictName(verdict), ...verdict },
      ...(count > 0 && { neighbours: neighbours.slice(0, count) }),
    });
  });
  app.get("/models/:name/gallery/:number", (context) => {
    const { gallery } = modelOf(models, context.req.param("name"));
    const photo = gallery[Number(context.req.param("number"))];
    if (!photo) throw refuse(404, `The gallery has the photos 0 to ${gallery.length - 1}.`);
    return context.body(new Uint8Array(photo.picture), 200, {
      "content-type": "image/webp",
      "cache-control": "private, max-age=3600",
    });
  });
  inferencePaths(app, models, predict);

  app.notFound((context) =>
    context.json({ error: `There is no ${context.req.path}. See /openapi.json.` }, 404),
  );
  app.onError((error, context) => {
    const { status, message } = statusOf(error);
    context.set("error", status === 500 ? (error.stack ?? message) : message);
    if (status === 503 || status === 429) context.header("retry-after", "1");
    // The body was not read to its end: what follows on this connection would be taken for a request.
    if (status === 413 || status === 429) context.header("connection", "close");
    // What went wrong inside is for the log, not for whoever asked.
    return context.json(
      { error: status === 500 ? "The request failed inside the service; its log says why." : message },
      status,
    );
  });
  return app;
}

function statusOf(error: Error): {
  status: 400 | 401 | 404 | 413 | 415 | 422 | 429 | 500 | 503;
  message: string;
} {
  const { message } = error;
  if (error instanceof HTTPException) return { status: error.status as 400, message };
  if (error instanceof MediaTypeError) return { status: 415, message };
  if (error instanceof ImageError)
    return { status: error.cause instanceof TooLargeRefusal ? 413 : 422, message };
  if (error instanceof QueueFullError) return { status: 503, message };
  return { status: 500, message };
}

/** Who asks: the address that the connection comes from; "" where the app is called without one. */
function clientOf(context: Context<ServiceEnv>, trustProxy: boolean): string {
  const forwarded = trustProxy ? context.req.header("x-forwarded-for") : undefined;
  if (forwarded !== undefined) return forwarded.split(",").at(-1)!.trim();
  const hasConnection = (context.env as { readonly incoming?: unknown } | undefined)?.incoming !== undefined;
  return hasConnection ? (getConnInfo(context).remote.address ?? "") : "";
}

/** How many neighbours are asked for. @throws HTTPException 400 */
function neighboursOf(text: string | undefined): number {
  const count = Number(text ?? 0);
  if (Number.isInteger(count) && count >= 0 && count <= MOST_NEIGHBOURS) return count;
  throw refuse(400, `neighbours is ${text}; it must be a whole number from 0 to ${MOST_NEIGHBOURS}.`);
}

/** The photos of a request: its body itself, or every file of a form. */
async function filesOf({ req }: Context<ServiceEnv>): Promise<Uint8Array[]> {
  const type = req.header("content-type") ?? "";
  if (type.startsWith("multipart/form-data")) {
    const form = await req.formData().catch(() => {
      throw refuse(400, "The form cannot be read: it is cut off, or its boundary is wrong. Send it again.");
    });
    const files = [...form.values()].filter((value) => typeof value !== "string");
    if (files.length === 0)
      throw refuse(400, "The form has no file. Send at least one photo, such as -F image=@photo.jpg.");
    return Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer())));
  }
  if (type.startsWith("image/") || type.startsWith("application/octet-stream")) {
    const body = new Uint8Array(await req.arrayBuffer());
    if (body.length === 0) throw refuse(400, "The body is empty. Send the bytes of a photo.");
    return [body];
  }
  throw refuse(
    415,
    `The content type "${type}" is not taken. Send image/*, application/octet-stream or multipart/form-data.`,
  );
}

/** @throws HTTPException 401 */
function requireToken({ req }: Context<ServiceEnv>, token: string): void {
  const given = Buffer.from(req.header("authorization") ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  if (given.length === wanted.length && timingSafeEqual(given, wanted)) return;
  throw refuse(401, "The token is missing or wrong. Send Authorization: Bearer TOKEN.");
}

/** @throws HTTPException 503 when the promise takes too long; its work goes on, its result is dropped */
async function inTime<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(refuse(503, `The answer took longer than ${timeoutMs} ms. Try again later.`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
