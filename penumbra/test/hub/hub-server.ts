import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** How a server that speaks the hub's protocol behaves; a test changes it as it goes. */
export interface HubBehaviour {
  /** Contents by path in the repository "someone/model". */
  files: Record<string, Buffer>;
  /** Kept apart by SHA-256, as the hub keeps large files. */
  large: (path: string) => boolean;
  /** What a request must bring. */
  token?: string;
  isGated?: boolean;
  /** Answers of the next so many requests of contents end after so many bytes. */
  cuts: number[];
  /** Whether parts can be asked for. */
  hasRanges: boolean;
  /** Bytes that are sent wrong. */
  isDamaged?: boolean;
  /** Status of the next answers. */
  failing: number[];
}

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export class HubServer {
  readonly #server = createServer((request, response) => this.#answer(request, response));
  /** Method, path and range of each request. */
  readonly requests: string[] = [];
  readonly behaviour: HubBehaviour = { files: {}, large: () => true, cuts: [], hasRanges: true, failing: [] };

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): unknown {
    const { files, token, isGated, failing } = this.behaviour;
    const url = new URL(request.url!, "http://hub");
    const path = decodeURIComponent(url.pathname);
    this.requests.push(`${path}${request.headers.range ? ` ${request.headers.range}` : ""}`);
    const status = failing.shift();
    if (status) return response.writeHead(status).end();
    if (isGated) return response.writeHead(403, { "x-error-code": "GatedRepo" }).end();
    if (token && request.headers.authorization !== `Bearer ${token}`) return response.writeHead(401).end();
    if (/^\/api\/models\/someone\/model\/revision\/(main|HEAD|v1)$/.test(path))
      return json(response, { _id: "1", id: "someone/model", sha: COMMIT });
    if (path.startsWith("/api/models/someone/model/revision/"))
      return response.writeHead(404, { "x-error-code": "RevisionNotFound" }).end();
    if (path === `/api/models/someone/model/tree/${COMMIT}`)
      return json(
        response,
        Object.keys(files).map((file) => this.#entry(file)),
      );
    const resolve = `/someone/model/resolve/${COMMIT}/`;
    const file = path.slice(resolve.length);
    const isThere = path.startsWith(resolve) && file in files;
    return isThere ? this.#send(request, response, file) : response.writeHead(404).end();
  }

  #entry(path: string) {
    const content = this.behaviour.files[path]!;
    const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
    const lfs = {
      oid: createHash("sha256").update(content).digest("hex"),
      size: content.length,
      pointerSize: 130,
    };
    return {
      ...{ type: "file", path, size: content.length, oid },
      ...(this.behaviour.large(path) ? { lfs } : {}),
    };
  }

  /** With the headers that Python's huggingface_hub asks for as well. */
  #send(request: IncomingMessage, response: ServerResponse, path: string): unknown {
    const { cuts, hasRanges, isDamaged } = this.behaviour;
    const whole = this.behaviour.files[path]!;
    const { oid, lfs } = this.#entry(path);
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const isPart = hasRanges && request.headers.range !== undefined;
    const body = Buffer.from(isPart ? whole.subarray(start) : whole);
    if (isDamaged) body[body.length - 1]! ^= 1;
    response.writeHead(isPart ? 206 : 200, {
      "content-length": body.length,
      ...{ etag: `"${lfs?.oid ?? oid}"`, "x-repo-commit": COMMIT },
      ...(isPart && { "content-range": `bytes ${start}-${whole.length - 1}/${whole.length}` }),
    });
    const cut = cuts.shift();
    if (cut === undefined) return response.end(body);
    response.write(body.subarray(0, cut), () => response.destroy());
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}
