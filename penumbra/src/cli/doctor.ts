import { Command } from "commander";

/** `penumbra doctor`: what the engine found on this machine, and whether the shipped diffusion model is whole. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("say what was found on this machine: libtorch, addon, processor, precision, diffusion model")
    .option("--json", "print the findings as one JSON object")
    .action(async ({ json }: { json?: boolean }) => {
      const { describeDiagnosis, diagnose } = await import("@penumbra/torch/library");
      const diagnosis = await diagnose();
      const model = diagnosis.ok
        ? await (await import("../diffusion/index.ts")).checkModel("penumbra-mini", { base: process.cwd() })
        : { ok: false, finding: "not looked at: the engine does not run" };
      if (json) process.stdout.write(`${JSON.stringify({ ...diagnosis, model })}\n`);
      else process.stdout.write(`${describeDiagnosis(diagnosis)}Model       ${model.finding}\n`);
      if (!diagnosis.ok || !model.ok) process.exitCode = 1;
    });
}
