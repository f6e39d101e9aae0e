// The network in each library, as its documentation writes one. Packages come from the folder that the runner has filled.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { BATCH, checksum, images, LR, labels, SIZES, type Side, weights } from "./network.ts";

type Load = (folder: string) => Promise<Side>;

/** A package's module out of the runner's folder; no types of it are here. */
// biome-ignore lint/suspicious/noExplicitAny: packages that this checkout does not depend on
async function from(folder: string, name: string): Promise<any> {
  const path = createRequire(join(folder, "package.json")).resolve(name);
  const module = await import(pathToFileURL(path).href);
  return module.default ?? module;
}

const ours: Load = async () => {
  const torch = await import("@penumbra/torch");
  const { nn, optim } = torch;
  const model = new nn.Sequential(
    new nn.Linear(SIZES[0], SIZES[1]),
    new nn.ReLU(),
    new nn.Linear(SIZES[1], SIZES[2]),
    new nn.ReLU(),
    new nn.Linear(SIZES[2], SIZES[3]),
  );
  const parameters = model.parameters();
  torch.noGrad(() =>
    weights().forEach((weight, i) => {
      parameters[2 * i]!.copy_(torch.fromTyped(weight, [SIZES[i]!, SIZES[i + 1]!]).t());
      parameters[2 * i + 1]!.zero_();
    }),
  );
  const x = torch.fromTyped(images(), [BATCH, SIZES[0]]);
  const y = torch.tensor(labels(), { dtype: "int64" });
  const optimizer = new optim.SGD(parameters, { lr: LR });
  return {
    infer: () =>
      torch.scope(() => checksum(torch.inferenceMode(() => model.forward(x)).toTyped() as Float32Array)),
    train: () =>
      torch.scope(() => {
        optimizer.zeroGrad();
        const loss = model.forward(x).crossEntropyLoss(y);
        loss.backward();
        optimizer.step();
        return loss.item();
      }),
  };
};

const onnxruntime: Load = async () => {
  const torch = await import("@penumbra/torch");
  const { Graph } = await import("../../penumbra/src/deploy/export/onnx/graph.ts");
  const graph = new Graph();
  let x = graph.input("x", "float32", [BATCH, SIZES[0]]);
  weights().forEach((weight, i) => {
    const matrix = graph.tensor(torch.fromTyped(weight, [SIZES[i]!, SIZES[i + 1]!]));
    x = graph.op("Gemm", [x, matrix, graph.tensor(torch.zeros([SIZES[i + 1]!]))]);
    if (i < 2) x = graph.op("Relu", [x]);
  });
  graph.output("y", x, "float32", [BATCH, SIZES[3]]);
  const { InferenceSession, Tensor } = createRequire(import.meta.url)("onnxruntime-node");
  const model = Buffer.concat(graph.toModel("neighbours", "1").parts);
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const input = new Tensor("float32", images(), [BATCH, SIZES[0]]);
  return { infer: async () => checksum((await session.run({ x: input })).y.data) };
};

const tensorflow: Load = async (folder) => {
  const tf = await from(folder, "@tensorflow/tfjs");
  const wasm = await from(folder, "@tensorflow/tfjs-backend-wasm");
  const path = createRequire(join(folder, "package.json")).resolve("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(`${dirname(path)}/`);
  wasm.setThreadsCount(1);
  await tf.setBackend("wasm");
  const layers = weights().map((weight, i) => [
    tf.variable(tf.tensor2d(weight, [SIZES[i]!, SIZES[i + 1]!])),
    tf.variable(tf.zeros([SIZES[i + 1]!])),
  ]);
  const x = tf.tensor2d(images(), [BATCH, SIZES[0]]);
  const y = tf.cast(tf.oneHot(tf.tensor1d(labels(), "int32"), SIZES[3]), "float32");
  const forward = () =>
    layers.reduce((h, [weight, bias], i) => {
      const z = tf.add(tf.matMul(h, weight), bias);
      return i < 2 ? tf.relu(z) : z;
    }, x);
  const optimizer = tf.train.sgd(LR);
  return {
    infer: () => tf.tidy(() => checksum(forward().dataSync())),
    train: () =>
      tf.tidy(
        () => optimizer.minimize(() => tf.losses.softmaxCrossEntropy(y, forward()), true).dataSync()[0],
      ),
  };
};

const jax: Load = async (folder) => {
  const { numpy: np, nn, init, jit, valueAndGrad, defaultDevice } = await from(folder, "@jax-js/jax");
  await init("wasm");
  defaultDevice("wasm");
  // Arguments are taken over: `ref` keeps what is used again.
  // biome-ignore lint/suspicious/noExplicitAny: no types of it are here
  type Arrays = any;
  let layers: Arrays = weights().map((weight, i) => ({
    w: np.array(weight).reshape([SIZES[i]!, SIZES[i + 1]!]),
    b: np.zeros([SIZES[i + 1]!]),
  }));
  const x = np.array(images()).reshape([BATCH, SIZES[0]]);
  const y = nn.oneHot(np.array(labels(), { dtype: np.int32 }), SIZES[3]);
  const forward = (params: Arrays, input: Arrays): Arrays =>
    params.reduce((h: Arrays, { w, b }: Arrays, i: number) => {
      const z = np.matmul(h, w).add(b);
      return i < 2 ? nn.relu(z) : z;
    }, input);
  const refs = (): Arrays => layers.map(({ w, b }: Arrays) => ({ w: w.ref, b: b.ref }));
  const infer = jit(forward);
  const step = jit((params: Arrays, input: Arrays, target: Arrays) => {
    const loss = (p: Arrays) =>
      nn
        .logSoftmax(forward(p, input), -1)
        .mul(target)
        .sum()
        .mul(-1 / BATCH);
    const [value, gradient] = valueAndGrad(loss)(params.map(({ w, b }: Arrays) => ({ w: w.ref, b: b.ref })));
    const next = params.map(({ w, b }: Arrays, i: number) => ({
      w: w.sub(gradient[i].w.mul(LR)),
      b: b.sub(gradient[i].b.mul(LR)),
    }));
    return { value, next };
  });
  return {
    infer: async () => checksum(await infer(refs(), x.ref).data()),
    train: async () => {
      const { value, next } = step(layers, x.ref, y.ref);
      layers = next;
      return (await value.data())[0];
    },
  };
};

/** Name and packages that are not this checkout's. */
export const SIDES: Readonly<Record<string, { readonly packages: readonly string[]; readonly load: Load }>> =
  {
    "@penumbra/torch": { packages: [], load: ours },
    "onnxruntime-node": { packages: [], load: onnxruntime },
    "tfjs, WebAssembly": {
      packages: ["@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0"],
      load: tensorflow,
    },
    "jax-js, WebAssembly": { packages: ["@jax-js/jax@0.1.25"], load: jax },
  };
