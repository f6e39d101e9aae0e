import { serve } from "@hono/node-server";
import { type Classifier, DeployError } from "../classifier/index.ts";
import { type LabelOptions, makeLabelApp } from "./label-app.ts";
import { finishMove } from "./move-group.ts";

export interface LabelService {
  readonly url: string;
  /** Objects of a move that was cut off earlier and is finished now. */
  readonly finished: number;
  close(): Promise<void>;
}

/**
 * Opens the page for naming unknowns on this machine alone.
 * @param port 0 takes a free one
 * @throws DeployError when there is no photo, or the port is taken
 */
export async function startLabelling(
  classifier: Classifier,
  { port, ...options }: LabelOptions & { readonly port: number },
): Promise<LabelService> {
  const finished = await finishMove(options.root);
  const app = await makeLabelApp(classifier, options);
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port }, ({ port: taken }) =>
      resolve({
        url: `http://127.0.0.1:${taken}`,
        finished,
        close: () => new Promise((done) => void server.close(() => done())),
      }),
    );
    server.on("error", (cause: NodeJS.ErrnoException) =>
      reject(
        new DeployError(`The port ${port} cannot be opened (${cause.code}). Give another --port.`, { cause }),
      ),
    );
  });
}
