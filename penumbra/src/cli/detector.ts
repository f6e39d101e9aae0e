import { Option } from "commander";

/** `--detector`, which of a classifier's detectors says unknown. */
export function detectorOption(): Option {
  return new Option(
    "--detector <name>",
    "which of the classifier's detectors says unknown (default: the one that its training chose; README.md in its folder lists them)",
  );
}
