import type { Tensor } from "@penumbra/torch";
import { Message } from "../../../files/index.ts";
import { DeployError } from "../../classifier/index.ts";

/** Numbers of the types in onnx.proto (TensorProto.DataType). */
export const DATA_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
} as const;

export type DataType = keyof typeof DATA_TYPES;

/** The name of a tensor in the graph. */
export type Value = string & { readonly value: unique symbol };

/** What a node can be told: a whole number (INT), `{ float }`, a word, or a list of whole numbers. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** A size that is known, or the name of one that is not. */
export type Dimension = number | string;

/** What every onnxruntime since 1.12 (2022) runs; LayerNormalization came with it. */
export const OPSET = 17;
/** Of files that opset 17 came with. */
const IR_VERSION = 8;
/** Protocol Buffers hold no more in one message. */
const MOST_BYTES = 2 ** 31 - 1;

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
} as const;

/** Attribute kinds of onnx.proto (AttributeProto.AttributeType). */
const KINDS = { float: 1, int: 2, text: 3, ints: 7 } as const;

/**
 * A model in the making: nodes in the order in which they run, and the constants that they take (onnx.proto, GraphProto).
 * The same calls give the same bytes.
 */
export class Graph {
  readonly #nodes: Message[] = [];
  readonly #constants: Message[] = [];
  readonly #inputs: Message[] = [];
  readonly #outputs: Message[] = [];
  readonly #scalars = new Map<string, Value>();
  #count = 0;
  #prefix = "";

  /** An input of the model. */
  input(name: string, type: DataType, shape: readonly Dimension[]): Value {
    this.#inputs.push(valueInfo(name, type, shape));
    return name as Value;
  }

  /** Makes a value an output of the model, under a name of its own. */
  output(name: string, value: Value, type: DataType, shape: readonly Dimension[]): void {
    this.#add("Identity", [value], {}, [name as Value]);
    this.#outputs.push(valueInfo(name, type, shape));
  }

  /** A node with one output. @param inputs "" for an optional one that is left out */
  op(
    type: string,
    inputs: readonly (Value | "")[],
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value {
    const [output] = this.ops(type, inputs, 1, attributes);
    return output as Value;
  }

  /** A node with several outputs. */
  ops(
    type: string,
    inputs: readonly (Value | "")[],
    outputs: number,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): Value[] {
    const name = this.#name(type);
    const values = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : `${name}.${i}`) as Value);
    this.#add(type, inputs, attributes, values);
    return values;
  }

  /** The same values as another type, towards 0 where that is of whole numbers. */
  cast(x: Value, type: DataType): Value {
    return this.op("Cast", [x], { to: DATA_TYPES[type] });
  }

  /** The elements of a tensor, as they are. float16 as its bits, as {@link Tensor.toTyped} gives them. */
  tensor(tensor: Tensor): Value {
    const { dtype } = tensor;
    if (!(dtype in DATA_TYPES)) throw new DeployError(`The graph cannot hold a tensor of ${dtype}.`);
    const { buffer, byteOffset, byteLength } = tensor.toTyped();
    return this.#constant(dtype as DataType, tensor.shape, new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** A constant of numbers; without a shape a list. */
  constant(
    type: keyof typeof ARRAYS,
    values: ArrayLike<number>,
    shape: readonly number[] = [values.length],
  ): Value {
    const typed =
      type === "int64"
        ? BigInt64Array.from(Array.from(values), BigInt)
        : ARRAYS[type].from(Array.from(values));
    return this.#constant(type, shape, new Uint8Array(typed.buffer));
  }

  /** A constant without dimensions, each once. */
  scalar(type: keyof typeof ARRAYS, value: number): Value {
    const key = `${type} ${value}`;
    const found = this.#scalars.get(key);
    if (found) return found;
    const made = this.constant(type, [value], []);
    this.#scalars.set(key, made);
    return made;
  }

  /** Names what `fn` adds after a part of the model, for people who look at it. */
  within<T>(part: string, fn: () => T): T {
    const outer = this.#prefix;
    this.#prefix = `${outer}${part}/`;
    try {
      return fn();
    } finally {
      this.#prefix = outer;
    }
  }

  /**
   * The file (onnx.proto, ModelProto).
   * @param metadata words by name, for whoever uses the model
   * @throws DeployError where it is larger than a file can be
   */
  toModel(name: string, version: string, metadata: Readonly<Record<string, string>> = {}): Message {
    const graph = new Message();
    for (const node of this.#nodes) graph.message(1, node);
    graph.text(2, name);
    for (const constant of this.#constants) graph.message(5, constant);
    for (const input of this.#inputs) graph.message(11, input);
    for (const output of this.#outputs) graph.message(12, output);
    const model = new Message()
      .int(1, IR_VERSION)
      .text(2, "penumbra")
      .text(3, version)
      .message(7, graph)
      .message(8, new Message().text(1, "").int(2, OPSET));
    for (const [key, value] of Object.entries(metadata))
      model.message(14, new Message().text(1, key).text(2, value));
    if (model.length > MOST_BYTES) {
      throw new DeployError(
        `The model has ${model.length} bytes, and a file of ONNX holds ${MOST_BYTES}. Export it with --fp16 or --int8, or train a smaller network.`,
      );
    }
    return model;
  }

  #constant(type: DataType, shape: readonly number[], bytes: Uint8Array): Value {
    const name = this.#name("constant");
    this.#constants.push(new Message().ints(1, shape).int(2, DATA_TYPES[type]).text(8, name).bytes(9, bytes));
    return name;
  }

  #name(what: string): Value {
    return `${this.#prefix}${what}_${this.#count++}` as Value;
  }

  #add(
    type: string,
    inputs: readonly (Value | "")[],
    attributes: Readonly<Record<string, Attribute>>,
    outputs: readonly Value[],
  ): void {
    const node = new Message();
    for (const input of inputs) node.text(1, input);
    for (const output of outputs) node.text(2, output);
    node.text(3, outputs[0]!).text(4, type);
    for (const [name, value] of Object.entries(attributes)) node.message(5, attributeOf(name, value));
    this.#nodes.push(node);
  }
}

function attributeOf(name: string, value: Attribute): Message {
  const attribute = new Message().text(1, name);
  if (typeof value === "number") return attribute.int(3, value).int(20, KINDS.int);
  if (typeof value === "string") return attribute.text(4, value).int(20, KINDS.text);
  if ("float" in value) return attribute.float(2, value.float).int(20, KINDS.float);
  return attribute.ints(8, value).int(20, KINDS.ints);
}

/** onnx.proto, ValueInfoProto of a tensor. */
function valueInfo(name: string, type: DataType, shape: readonly Dimension[]): Message {
  const dimensions = new Message();
  for (const size of shape)
    dimensions.message(
      1,
      typeof size === "number" ? new Message().int(1, size) : new Message().text(2, size),
    );
  const tensor = new Message().int(1, DATA_TYPES[type]).message(2, dimensions);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}
