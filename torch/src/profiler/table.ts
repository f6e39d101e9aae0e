import type { OperatorTotals } from "./totals.ts";

export interface TableOptions {
  /** Largest first. Default "selfUs". */
  sortBy?: "selfUs" | "totalUs" | "averageUs" | "calls";
  /** At most so many rows. Default 100. */
  rowLimit?: number;
}

interface Column {
  readonly title: string;
  readonly of: (row: OperatorTotals) => string;
}

/** The totals as text, one row an operator: PyTorch's `key_averages().table()`. */
export function tableOf(
  totals: readonly OperatorTotals[],
  { sortBy = "selfUs", rowLimit = 100 }: TableOptions = {},
): string {
  const selfUs = totals.reduce((sum, row) => sum + row.selfUs, 0);
  const devices = [...new Set(totals.flatMap(({ bytes }) => [...bytes.keys()]))].sort();
  const share = (us: number) => (selfUs === 0 ? "0.00%" : `${((100 * us) / selfUs).toFixed(2)}%`);
  const columns: Column[] = [
    { title: "Name", of: ({ name }) => name },
    { title: "Self %", of: (row) => share(row.selfUs) },
    { title: "Self", of: (row) => timeText(row.selfUs) },
    { title: "Total %", of: (row) => share(row.totalUs) },
    { title: "Total", of: (row) => timeText(row.totalUs) },
    { title: "Average", of: (row) => timeText(row.averageUs) },
    ...devices.flatMap((device) => [
      { title: `${device} mem`, of: ({ bytes }: OperatorTotals) => bytesText(bytes.get(device) ?? 0) },
      {
        title: `Self ${device} mem`,
        of: ({ selfBytes }: OperatorTotals) => bytesText(selfBytes.get(device) ?? 0),
      },
    ]),
    { title: "Calls", of: ({ calls }) => String(calls) },
    ...(totals.some(({ shapes }) => shapes !== null)
      ? [{ title: "Input shapes", of: ({ shapes }: OperatorTotals) => shapes ?? "" }]
      : []),
  ];
  const rows = [...totals].sort((a, b) => b[sortBy] - a[sortBy]).slice(0, rowLimit);
  const cells = rows.map((row) => columns.map(({ of }) => of(row)));
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map((line) => line[i]!.length)),
  );
  const isText = ({ title }: Column) => title === "Name" || title === "Input shapes";
  const line = (texts: readonly string[]) =>
    texts
      .map((text, i) => (isText(columns[i]!) ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  const left = totals.length - rows.length;
  return [
    line(columns.map(({ title }) => title)),
    rule,
    ...cells.map(line),
    rule,
    `Time of their own, all operators: ${timeText(selfUs)}${left > 0 ? `; ${left} more rows are left out` : ""}`,
  ].join("\n");
}

function timeText(us: number): string {
  if (us >= 1e6) return `${(us / 1e6).toFixed(3)} s`;
  return us >= 1e3 ? `${(us / 1e3).toFixed(3)} ms` : `${us.toFixed(3)} µs`;
}

function bytesText(bytes: number): string {
  const size = Math.abs(bytes);
  if (size < 1024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(size) / 10), 3);
  return `${(bytes / 1024 ** power).toFixed(2)} ${["B", "KiB", "MiB", "GiB"][power]}`;
}
