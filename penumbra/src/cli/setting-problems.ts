import type { z } from "zod";

/** What is wrong with the settings that a command was given, a sentence or two each: which one, and what to do. */
export async function settingProblems(
  { issues }: z.ZodError,
  values: unknown,
  schema: z.ZodType,
): Promise<string> {
  const { explainIssue } = await import("../study/index.ts");
  const problems = issues.flatMap((issue) => explainIssue(issue, values, schema));
  return problems.map(({ message }) => message).join(" ");
}
