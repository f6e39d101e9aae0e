/** How each network is drawn: a table from the class of a network or block to its nodes. */
import { type nn, scope, type Tensor } from "@penumbra/torch";
import {
  BasicBlock,
  Bottleneck,
  DepthwiseSeparable,
  EfficientNetLite,
  foldedConvolution,
  type ImageEncoder,
  InvertedResidual,
  ResNet,
  SameConv2d,
  type SelfAttention,
  type TransformerBlock,
  VisionTransformer,
} from "../../models/index.ts";
import { DeployError } from "../classifier/index.ts";
import type { Arithmetic } from "./arithmetic.ts";
import type { Value } from "./onnx/graph.ts";

/** A tensor of images or feature maps, [N, C, side, side]. */
interface Maps {
  readonly value: Value;
  readonly side: number;
}

type DrawBlock<M> = (pen: Arithmetic, block: M, x: Maps) => Maps;
type DrawNetwork<M> = (pen: Arithmetic, network: M, images: Maps) => Value[];

// biome-ignore lint/suspicious/noExplicitAny: a class with whatever constructor
type Class<M> = abstract new (...args: any[]) => M;

/** Entries of a table that each know their own class. */
class DrawingTable<Draw extends (pen: Arithmetic, module: never, x: Maps) => unknown> {
  readonly #entries: (readonly [Class<unknown>, Draw])[] = [];

  with<M>(of: Class<M>, draw: Draw extends DrawBlock<never> ? DrawBlock<M> : DrawNetwork<M>): this {
    this.#entries.push([of, draw as unknown as Draw]);
    return this;
  }

  /** @throws DeployError for a class that has no entry */
  of(module: object): (pen: Arithmetic, module: unknown, x: Maps) => ReturnType<Draw> {
    const found = this.#entries.find(([of]) => module.constructor === of);
    if (found) return found[1] as never;
    throw new DeployError(
      `${module.constructor.name} has no form in ONNX. Those that have one: ${this.#entries.map(([of]) => of.name).join(", ")}.`,
    );
  }
}

const blocks = new DrawingTable<DrawBlock<never>>()
  .with(BasicBlock, (pen, { conv1, bn1, conv2, bn2, downsample }, x) => {
    const inner = relu(pen, convolved(pen, conv1, x, bn1));
    return relu(pen, added(pen, convolved(pen, conv2, inner, bn2), shortcut(pen, downsample, x)));
  })
  .with(Bottleneck, (pen, { conv1, bn1, conv2, bn2, conv3, bn3, downsample }, x) => {
    const narrow = relu(pen, convolved(pen, conv1, x, bn1));
    const inner = relu(pen, convolved(pen, conv2, narrow, bn2));
    return relu(pen, added(pen, convolved(pen, conv3, inner, bn3), shortcut(pen, downsample, x)));
  })
  .with(DepthwiseSeparable, (pen, { convDw, bn1, convPw, bn2, keepsSize }, x) => {
    const inner = relu6(pen, convolved(pen, convDw, x, bn1));
    const out = convolved(pen, convPw, inner, bn2);
    return keepsSize ? added(pen, out, x) : out;
  })
  .with(InvertedResidual, (pen, { convPw, bn1, convDw, bn2, convPwl, bn3, keepsSize }, x) => {
    const wide = relu6(pen, convolved(pen, convPw, x, bn1));
    const inner = relu6(pen, convolved(pen, convDw, wide, bn2));
    const out = convolved(pen, convPwl, inner, bn3);
    return keepsSize ? added(pen, out, x) : out;
  });

const networks = new DrawingTable<DrawNetwork<never>>()
  .with(ResNet, (pen, { conv1, bn1, pools, stageBlocks }, images) => {
    const stem = relu(pen, convolved(pen, conv1, images, bn1));
    const maps = drawStages(pen, stageBlocks, pools ? maxPooled(pen, stem) : stem);
    return maps.map((x) => pooled(pen, x));
  })
  .with(EfficientNetLite, (pen, { convStem, bn1, blocks: stages, convHead, bn2 }, images) => {
    const stem = relu6(pen, convolved(pen, convStem, images, bn1));
    const maps = drawStages(pen, stages, stem);
    const head = relu6(pen, convolved(pen, convHead, maps.at(-1)!, bn2));
    return [...maps, head].map((x) => pooled(pen, x));
  })
  .with(VisionTransformer, (pen, network, images) => {
    const { graph } = pen;
    const first = graph.constant("int64", [0]);
    const [turns] = scope(() => network.turns([images.side, images.side]).map(pen.constant));
    let x = drawTokens(pen, network, images);
    const classTokens: Value[] = [];
    for (const [index, block] of network.blocks.entries()) {
      x = drawTransformerBlock(pen, block, x, turns);
      if (!network.stageEnds.includes(index + 1)) continue;
      const token = graph.op("Gather", [x, first], { axis: 1 }); // [N, 1, D]
      const flat = graph.op("Reshape", [token, graph.constant("int64", [0, -1])]);
      classTokens.push(layerNormed(pen, network.norm, flat));
    }
    return classTokens;
  });

/**
 * A network as nodes.
 *
 * @param images normalised, [N, 3, side, side], in the numbers of the arithmetic
 * @returns the pooled features of each stage, [N, D_s], in the same numbers
 * @throws DeployError for a network or block without a form in ONNX
 */
export function drawNetwork(pen: Arithmetic, network: ImageEncoder, images: Value, side: number): Value[] {
  return pen.graph.within(network.constructor.name, () =>
    networks.of(network)(pen, network, { value: images, side }),
  );
}

/** What comes out of each stage. */
function drawStages(pen: Arithmetic, stages: readonly nn.Sequential[], images: Maps): Maps[] {
  const maps: Maps[] = [];
  for (const stage of stages) {
    const input = maps.at(-1) ?? images;
    maps.push([...stage].reduce((x, block) => blocks.of(block)(pen, block, x), input));
  }
  return maps;
}

/** A convolution, with the batch norm after it folded into its weights. */
function convolved(pen: Arithmetic, conv: nn.Conv2d, { value, side }: Maps, norm: nn.BatchNorm2d): Maps {
  const { stride, padding, dilation, groups } = conv.geometry;
  const [kernel, step] = [conv.kernelSize[0]!, stride[0]!];
  const [before, after] =
    conv instanceof SameConv2d && step > 1 ? conv.paddingOf(side) : [padding[0]!, padding[0]!];
  const product = foldedConvolution(conv, norm);
  const out = pen.conv(value, product, {
    kernel_shape: [...conv.kernelSize],
    strides: stride,
    pads: [before, before, after, after],
    dilations: dilation,
    group: groups,
  });
  product.weight.dispose();
  product.bias.dispose();
  const reach = dilation[0]! * (kernel - 1) + 1;
  return { value: out, side: Math.floor((side + before + after - reach) / step) + 1 };
}

function shortcut(pen: Arithmetic, downsample: nn.Sequential | null, x: Maps): Maps {
  if (!downsample) return x;
  const [conv, norm] = [...downsample] as unknown as [nn.Conv2d, nn.BatchNorm2d];
  return convolved(pen, conv, x, norm);
}

function relu({ graph }: Arithmetic, { value, side }: Maps): Maps {
  return { value: graph.op("Relu", [value]), side };
}

function relu6(pen: Arithmetic, { value, side }: Maps): Maps {
  return { value: pen.graph.op("Clip", [value, pen.scalar(0), pen.scalar(6)]), side };
}

function added({ graph }: Arithmetic, a: Maps, b: Maps): Maps {
  return { value: graph.op("Add", [a.value, b.value]), side: a.side };
}

/** 3x3, stride 2, padding 1. */
function maxPooled({ graph }: Arithmetic, { value, side }: Maps): Maps {
  const out = graph.op("MaxPool", [value], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  return { value: out, side: Math.floor((side - 1) / 2) + 1 };
}

/** Means over the positions: [N, C, h, w] -> [N, C]. */
function pooled({ graph }: Arithmetic, { value }: Maps): Value {
  return graph.op("ReduceMean", [value], { axes: [2, 3], keepdims: 0 });
}

/** Class token, registers and patches, with their positions: [N, T, D]. */
function drawTokens(pen: Arithmetic, network: VisionTransformer, { value, side }: Maps): Value {
  const { graph } = pen;
  const { proj, patchSize } = network.patchEmbed;
  const maps = pen.conv(
    value,
    { weight: proj.weight, bias: proj.bias },
    { kernel_shape: [patchSize, patchSize], strides: [patchSize, patchSize] },
  ); // [N, D, h, w]
  const flat = graph.op("Reshape", [maps, graph.constant("int64", [0, 0, -1])]);
  const patches = graph.op("Transpose", [flat], { perm: [0, 2, 1] }); // [N, h w, D]
  const count = graph.op("Slice", [
    graph.op("Shape", [patches]),
    graph.constant("int64", [0]),
    graph.constant("int64", [1]),
  ]);
  const size = graph.op("Concat", [count, graph.constant("int64", [1, 1])], { axis: 0 });
  const prefix = [network.clsToken, ...(network.regToken ? [network.regToken] : [])].map((token) =>
    graph.op("Expand", [pen.constant(token), size]),
  );
  const positions = scope(() => {
    const learned = network.positions([side, side]);
    return learned && pen.constant(learned);
  });
  if (!positions) return graph.op("Concat", [...prefix, patches], { axis: 1 });
  if (network.embeddedPrefix > 0)
    return graph.op("Add", [graph.op("Concat", [...prefix, patches], { axis: 1 }), positions]);
  return graph.op("Concat", [...prefix, graph.op("Add", [patches, positions])], { axis: 1 });
}

/** @param turns the table of rotary positions, [2, T, d], where there is one */
function drawTransformerBlock(pen: Arithmetic, block: TransformerBlock, x: Value, turns?: Value): Value {
  const { graph } = pen;
  const scaled = (gamma: Tensor | undefined, value: Value) =>
    gamma ? graph.op("Mul", [value, pen.constant(gamma)]) : value;
  const attended = drawAttention(pen, block.attn, layerNormed(pen, block.norm1, x), turns);
  const h = graph.op("Add", [x, scaled(block.ls1?.gamma, attended)]);
  const hidden = gelu(pen, pen.linear(layerNormed(pen, block.norm2, h), block.mlp.fc1));
  return graph.op("Add", [h, scaled(block.ls2?.gamma, pen.linear(hidden, block.mlp.fc2))]);
}

/** softmax(q k' / sqrt(d)) v over all tokens: [N, T, D] -> [N, T, D]. */
function drawAttention(pen: Arithmetic, { qkv, proj, heads }: SelfAttention, x: Value, turns?: Value): Value {
  const { graph } = pen;
  const size = qkv.inFeatures / heads;
  const split = graph.op("Reshape", [pen.linear(x, qkv), graph.constant("int64", [0, 0, 3, heads, size])]);
  const each = graph.op("Transpose", [split], { perm: [2, 0, 3, 1, 4] }); // [3, N, heads, T, d]
  const [q, k, v] = [0, 1, 2].map((index) =>
    graph.op("Gather", [each, graph.scalar("int64", index)], { axis: 0 }),
  ) as [Value, Value, Value];
  const placed = (value: Value) => (turns ? turned(pen, value, turns, size) : value);
  const scaled = graph.op("Mul", [placed(q), pen.scalar(1 / Math.sqrt(size))]);
  const weights = graph.op("MatMul", [scaled, graph.op("Transpose", [placed(k)], { perm: [0, 1, 3, 2] })]);
  const attended = graph.op("MatMul", [graph.op("Softmax", [weights], { axis: -1 }), v]);
  const together = graph.op("Transpose", [attended], { perm: [0, 2, 1, 3] });
  return pen.linear(graph.op("Reshape", [together, graph.constant("int64", [0, 0, -1])]), proj);
}

/** x cos + (-x2, x1) sin, x1 and x2 the halves of x: [N, heads, T, size]. */
function turned({ graph }: Arithmetic, x: Value, turns: Value, size: number): Value {
  const [sin, cos] = [0, 1].map((index) =>
    graph.op("Gather", [turns, graph.scalar("int64", index)], { axis: 0 }),
  ) as [Value, Value];
  const half = (from: number) =>
    graph.op("Slice", [
      x,
      graph.constant("int64", [from]),
      graph.constant("int64", [from + size / 2]),
      graph.constant("int64", [3]),
    ]);
  const rotated = graph.op("Concat", [graph.op("Neg", [half(size / 2)]), half(0)], { axis: 3 });
  return graph.op("Add", [graph.op("Mul", [x, cos]), graph.op("Mul", [rotated, sin])]);
}

function layerNormed(pen: Arithmetic, { weight, bias, eps }: nn.LayerNorm, x: Value): Value {
  if (!weight || !bias) throw new DeployError("A layer norm without scale and shift cannot be exported.");
  return pen.graph.op("LayerNormalization", [x, pen.constant(weight), pen.constant(bias)], {
    axis: -1,
    epsilon: { float: eps },
  });
}

/** x / 2 (1 + erf(x / sqrt 2)). */
function gelu(pen: Arithmetic, x: Value): Value {
  const { graph } = pen;
  const erf = graph.op("Erf", [graph.op("Mul", [x, pen.scalar(Math.SQRT1_2)])]);
  const half = graph.op("Mul", [x, pen.scalar(0.5)]);
  return graph.op("Mul", [half, graph.op("Add", [erf, pen.scalar(1)])]);
}
