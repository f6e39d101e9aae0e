// A model behind HTTP: requests overlap, each releases its own tensors, and the event loop goes on meanwhile.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { inferenceMode, manualSeed, memory, nn, scope, tensor } from "@penumbra/torch";

manualSeed(0);
const model = new nn.Sequential(
  new nn.Linear(4, 256),
  new nn.ReLU(),
  new nn.Linear(256, 3),
  new nn.Softmax(-1),
);
model.eval();

/** Rows of 4 numbers -> for each row the probabilities of 3 classes. */
const classify = (rows: number[][]): Promise<number[][]> =>
  scope(async () => {
    const probabilities = inferenceMode(() => model.forward(tensor(rows))); // [N, 4] -> [N, 3]
    const values = await probabilities.data(); // read on another thread
    return rows.map((_, row) => [...values.slice(3 * row, 3 * row + 3)].map(Number));
  });

const server = createServer(async (request, response) => {
  const answer = await classify((await json(request)) as number[][]);
  response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;

const before = memory().tensors;
const ask = async (i: number): Promise<number[][]> => {
  const body = JSON.stringify([
    [i, 0, 0, 0],
    [0, i, 0, 0],
  ]);
  const response = await fetch(`http://127.0.0.1:${port}`, { method: "POST", body });
  return (await response.json()) as number[][];
};
const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(i)));
server.close();

const sums = answers.flat().map((row) => row.reduce((sum, value) => sum + value, 0));
console.log(
  `${answers.length} requests answered, every row sums to 1: ${sums.every((sum) => Math.abs(sum - 1) < 1e-5)}`,
);
console.log(`tensors before: ${before}, after: ${memory().tensors}`);
