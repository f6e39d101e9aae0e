import { mkdir } from "node:fs/promises";
import { Command } from "commander";
import { showingStage } from "./progress.ts";
import { portNumber } from "./whole-number.ts";

interface LabelFlags {
  readonly model: string;
  readonly into?: string;
  readonly port: number;
  readonly device: string;
}

/** `penumbra label FOLDER`: unknowns that were kept become new classes. */
export function labelCommand(): Command {
  return new Command("label")
    .description("name groups of kept unknowns on a local page: each becomes the folder of a class")
    .argument("<unknowns>", "folder of kept unknowns: a folder for each object, or photos")
    .requiredOption("--model <model>", "classifier whose features group them: models/NAME")
    .option("--into <folder>", "folder of the classes, such as photos/known (default: UNKNOWNS-labelled)")
    .option("--port <port>", "port of the page; 0 takes a free one", portNumber, 8081)
    .option("--device <device>", "cpu, cuda or cuda:N", "cpu")
    .action(async (root: string, { model, into, port, device }: LabelFlags) => {
      const { besideOf, loadClassifier, startLabelling } = await import("../deploy/index.ts");
      const classes = into ?? besideOf(root);
      await mkdir(classes, { recursive: true });
      const classifier = loadClassifier(model, { device });
      const { url, finished, close } = await showingStage("unknowns", (onProgress) =>
        startLabelling(classifier, { root, into: classes, port, onProgress }),
      );
      if (finished > 0) process.stdout.write(`A move of ${finished} objects that was cut off is finished.\n`);
      process.stdout.write(`Open ${url} in a browser. Classes go to ${classes}. End it with Ctrl-C.\n`);
      for (const signal of ["SIGINT", "SIGTERM"] as const) {
        process.once(signal, () => void close().then(() => process.exit(0)));
      }
    });
}
