/** Runs every way out of a tensor in synchronous loops and prints by how many bytes the resident memory grew in each. */
import { scope } from "@penumbra/torch";
import { waysOut } from "../../bench/workloads/ways-out.ts";

const TURNS = 300;
const SCALE = 1100; // tensors of more than 1 MB

const growth = Object.entries(waysOut(SCALE)).map(([name, { turn, bytes, isSlow }]) => {
  const turns = isSlow ? TURNS / 3 : TURNS;
  for (let i = 0; i < turns / 10; i += 1) scope(turn);
  const before = process.memoryUsage.rss();
  for (let i = 0; i < turns; i += 1) scope(turn);
  return { name, grown: process.memoryUsage.rss() - before, leaked: turns * bytes };
});
console.log(JSON.stringify(growth));
