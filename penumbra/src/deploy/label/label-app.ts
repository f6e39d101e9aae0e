import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import { previewImage } from "../../images/index.ts";
import { type Classifier, DeployError } from "../classifier/index.ts";
import { LABEL_PAGE } from "./label-page.ts";
import { classesIn, moveGroup } from "./move-group.ts";
import { UnknownObjects } from "./unknown-objects.ts";

export interface LabelOptions {
  /** The folder of the unknowns. */
  readonly root: string;
  /** The folder in which classes are folders. */
  readonly into: string;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What the page is told of a group. */
export interface LabelGroup {
  readonly objects: readonly {
    readonly name: string;
    readonly views: number;
    readonly resembles: string;
    readonly pValue: number;
  }[];
}

const PICTURE_SIDE = 128;
/** Names under which a browser reaches this machine: another one is a page elsewhere that was given its address. */
const OWN_NAMES = new Set(["localhost", "127.0.0.1", "[::1]"]);

const namingSchema = z.strictObject({
  className: z.string(),
  objects: z.array(z.string()).min(1),
});

/**
 * The local page on which unknowns are named: groups by the classifier's features, pictures, and the moves.
 *
 * @throws DeployError when the folder holds no photo that can be read
 */
export async function makeLabelApp(
  classifier: Classifier,
  { root, into, onProgress }: LabelOptions,
): Promise<Hono> {
  const look = () => UnknownObjects.in(root, classifier, onProgress);
  let unknowns: UnknownObjects | null = await look();
  const gone = new Set<string>();
  const app = new Hono();
  app.use(async (context, next) => {
    const host = (context.req.header("host") ?? "").replace(/:\d+$/, "");
    if (!OWN_NAMES.has(host)) throw new HTTPException(403, { message: "Open this page on its own machine." });
    await next();
  });
  app.get("/", (context) => context.html(LABEL_PAGE));
  app.get("/groups", async (context) => {
    const asked = Number(context.req.query("distance") ?? Number.NaN);
    const { usualDistance, left } = unknowns ?? { usualDistance: 0, left: 0 };
    const distance = Number.isFinite(asked) && asked >= 0 ? asked : usualDistance;
    const groups = (unknowns?.groups(distance) ?? [])
      .map((group) => group.filter(({ name }) => !gone.has(name)))
      .filter(({ length }) => length > 0)
      .map(
        (group): LabelGroup => ({
          objects: group.map(({ name, photos, verdict }) => ({
            ...{ name, views: photos.length, resembles: verdict.className, pValue: verdict.pValue },
          })),
        }),
      );
    return context.json({ distance, usualDistance, left, into, classes: await classesIn(into), groups });
  });
  app.get("/pictures/:object/:view", async (context) => {
    const { object, view } = context.req.param();
    const photo = unknowns?.objects.find(({ name }) => name === object)?.photos[Number(view)];
    if (photo === undefined || gone.has(object))
      throw new HTTPException(404, { message: "There is no such picture." });
    const { white } = classifier.preprocessing;
    const picture = await previewImage(photo, PICTURE_SIDE, { white });
    return context.body(new Uint8Array(picture), 200, { "content-type": "image/webp" });
  });
  app.post("/name", async (context) => {
    // A page elsewhere can send forms, but no JSON without being asked for leave first.
    if (!context.req.header("content-type")?.startsWith("application/json"))
      throw new HTTPException(415, { message: "Send application/json." });
    const body = namingSchema.safeParse(await context.req.json().catch(() => undefined));
    if (!body.success) throw new HTTPException(400, { message: "Send className and objects." });
    const { className, objects } = body.data;
    const folder = await moveGroup(root, objects, into, className);
    for (const object of objects) gone.add(object);
    return context.json({ moved: objects.length, folder });
  });
  app.post("/refresh", async (context) => {
    unknowns = await look().catch((error: unknown) => {
      if (error instanceof DeployError) return null; // nothing is left
      throw error;
    });
    gone.clear();
    return context.json({ objects: unknowns?.objects.length ?? 0 });
  });
  app.onError((error, context) => {
    if (error instanceof HTTPException) return context.json({ error: error.message }, error.status);
    const isTheirs = error instanceof DeployError;
    return context.json({ error: error.message }, isTheirs ? 422 : 500);
  });
  return app;
}
