import { LibraryError } from "./error.ts";

const USAGE = `penumbra-torch setup [--with-cuda] [--from-environment] [--compile] [pip's options]
                                 find or fetch libtorch; compile the addon where no prebuilt one fits
penumbra-torch doctor [--json]   show what was found and what this machine can do
penumbra-torch deploy FOLDER     copy what a program needs at run time, for a container or another machine
penumbra-torch run --nproc N [--nnodes N --node-rank N --master-addr HOST --master-port N] script.js [arguments]
                                 start a script in N processes that train together`;

/** The command line of the package. @returns the exit code */
export async function command(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  try {
    // Each command loads its own files only: setup runs before every test and must be quick.
    if (name === "setup") {
      const { setup } = await import("./setup.ts");
      await setup(rest, (line) => process.stdout.write(`${line}\n`));
      return 0;
    }
    if (name === "doctor") {
      const { describeDiagnosis, diagnose } = await import("./doctor.ts");
      const diagnosis = await diagnose();
      const asJson = rest.includes("--json");
      process.stdout.write(asJson ? `${JSON.stringify(diagnosis, null, 2)}\n` : describeDiagnosis(diagnosis));
      return diagnosis.ok ? 0 : 1;
    }
    if (name === "deploy") {
      const { deployCommand } = await import("./deploy.ts");
      deployCommand(rest, (line) => process.stdout.write(`${line}\n`));
      return 0;
    }
    if (name === "run") {
      const { launch, parseLaunch } = await import("../distributed/launch.ts");
      return await launch(parseLaunch(rest), (line) => process.stderr.write(`${line}\n`));
    }
    process.stderr.write(`${USAGE}\n`);
    return name === "--help" ? 0 : 2;
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}
