import type { Judged } from "../deploy/index.ts";
import type { FileObject } from "./file-objects.ts";

/** What is printed of an object. */
export type Printer = (judged: Judged<FileObject>) => string;

/** How `penumbra predict` prints: lines for people, JSON lines, or CSV with a head. */
export function printerOf({ json, csv }: { readonly json?: boolean; readonly csv?: boolean }): Printer {
  if (json) return (judged) => `${JSON.stringify(asRecord(judged))}\n`;
  if (!csv) return asLine;
  let isFirst = true;
  return (judged) => {
    const head = isFirst ? `${CSV_COLUMNS.join(",")}\r\n` : "";
    isFirst = false;
    const record: Readonly<Record<string, unknown>> = asRecord(judged);
    return `${head}${CSV_COLUMNS.map((column) => csvCell(record[column])).join(",")}\r\n`;
  };
}

const CSV_COLUMNS = [
  ...["object", "verdict", "class", "confidence", "unknownScore", "pValue", "views", "error"],
] as const;

function asRecord({ object, verdict, unreadable }: Judged<FileObject>) {
  const errors = unreadable.map(({ photo, reason }) => `${object.photos[photo]}: ${reason}`);
  const { name: objectName } = object;
  return {
    object: objectName,
    ...(verdict && {
      verdict: verdict.isUnknown ? "unknown" : verdict.className,
      class: verdict.className,
      confidence: verdict.confidence,
      unknownScore: verdict.unknownScore,
      pValue: verdict.pValue,
      score: verdict.score,
      views: verdict.views,
      classes: verdict.classes,
    }),
    ...(errors.length > 0 && { error: errors.join("; ") }),
  };
}

/** RFC 4180. */
function csvCell(value: unknown): string {
  const text = value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function asLine({ object, verdict, unreadable }: Judged<FileObject>): string {
  const errors = unreadable.map(
    ({ photo, reason }) => `${object.photos[photo]}: cannot be read: ${reason}\n`,
  );
  if (!verdict) return errors.join("");
  const { isUnknown, className, confidence, pValue, views, classes } = verdict;
  const share = (value: number) => `${(100 * value).toFixed(1)} %`;
  const seen = views === 1 ? "" : `  ${views} views`;
  const others = classes.slice(1, 3).map((other) => `${other.className} ${share(other.probability)}`);
  const what = isUnknown
    ? `unknown  p ${pValue.toFixed(3)}  resembles ${className} ${share(confidence)}`
    : `${className}  ${share(confidence)}  p ${pValue.toFixed(3)}  then ${others.join(", ")}`;
  return `${errors.join("")}${object.name}: ${what}${seen}\n`;
}
