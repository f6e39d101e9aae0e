/** What lazy.test.ts runs: says after each step whether libtorch is in the process. */
import { readFileSync } from "node:fs";

const isLoaded = () => readFileSync("/proc/self/maps", "utf8").includes("libtorch_cpu");
const said: [string, boolean][] = [];
const say = (step: string) => said.push([step, isLoaded()]);

const { deriveSeed } = await import("@penumbra/torch/random");
deriveSeed(1, "a");
say("random");
const torch = await import("@penumbra/torch");
say("import");
new torch.nn.Sequential(new torch.nn.ReLU(), new torch.nn.Flatten());
torch.scope(() => 1);
say("layers without weights, a scope without tensors");
torch.ones([1]);
say("the first tensor");
console.log(JSON.stringify(said));
