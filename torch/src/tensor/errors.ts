/**
 * An error of the engine. Where an operator failed, it carries the operator's name, its schema and a
 * description of the arguments as they arrived (dtype and shape of each tensor).
 */
export class TorchError extends Error {
  override readonly name = "TorchError";
  /** For example "aten::mm"; absent where no operator was involved. */
  readonly operator: string | undefined;
  readonly schema: string | undefined;
  /** For example "float32[2, 3], float32[2, 3]". */
  readonly arguments: string | undefined;

  constructor(message: string, operator?: string, schema?: string, args?: string) {
    const details: string[] = [];
    if (args !== undefined) {
      if (schema && !message.includes(schema)) details.push(`  schema: ${schema}`);
      details.push(`  arguments: ${args || "none"}`);
    }
    super([message, ...details].join("\n"));
    this.operator = operator || undefined;
    this.schema = schema || undefined;
    this.arguments = args;
  }
}
