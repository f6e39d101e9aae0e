import { DeployError } from "../../classifier/index.ts";

/** Number of ModelProto's metadata_props in onnx.proto. */
const METADATA = 14;

/**
 * The metadata of a model's file, which onnxruntime gives to Python and not to JavaScript.
 *
 * @throws DeployError for bytes that are no model
 */
export function readMetadata(model: Uint8Array): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [field, value] of fieldsOf(model)) {
    if (field !== METADATA) continue;
    const entry = new Map(fieldsOf(value));
    const word = (number: number) => new TextDecoder().decode(entry.get(number) ?? new Uint8Array());
    metadata[word(1)] = word(2);
  }
  return metadata;
}

/** The fields of a message that have a length, without their copies; numbers are passed over. */
function* fieldsOf(message: Uint8Array): Generator<[field: number, value: Uint8Array]> {
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new DeployError("The file is no ONNX model, or it was cut off.");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const wireType = tag % 8;
    if (wireType === 0) varint();
    else if (wireType === 5) at += 4;
    else if (wireType === 1) at += 8;
    else if (wireType === 2) {
      const length = varint();
      if (at + length > message.length)
        throw new DeployError("The file is no ONNX model, or it was cut off.");
      yield [Math.floor(tag / 8), message.subarray(at, at + length)];
      at += length;
    } else throw new DeployError("The file is no ONNX model, or it was cut off.");
  }
}
