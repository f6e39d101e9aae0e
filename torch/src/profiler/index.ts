/** The profiler: time, calls and memory by operator, as a table and as a trace for Chrome. */
export type { ProfilerEvent, ProfilerEventKind } from "./events.ts";
export { Profile, type ProfileOptions, profile, record } from "./profile.ts";
export type { TableOptions } from "./table.ts";
export type { OperatorTotals, TotalsOptions } from "./totals.ts";
