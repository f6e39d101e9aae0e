import { Command } from "commander";

/** `penumbra schema`: the JSON Schema of study.yaml, for editors. */
export function schemaCommand(): Command {
  return new Command("schema")
    .description("print the JSON Schema of study.yaml, for editors")
    .action(async () => {
      const { studyJsonSchema } = await import("../study/index.ts");
      process.stdout.write(`${JSON.stringify(studyJsonSchema(), null, 2)}\n`);
    });
}
