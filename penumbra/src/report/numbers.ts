/** Numbers as people read them: a true minus sign, thin spaces, only digits that mean something. */

const MINUS = "\u2212";
const THIN_SPACE = "\u202f";

/** A fixed number of decimals with a true minus sign; "n/a" where there is no number. */
export function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return "n/a";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** A share as a percentage without its sign: 0.8731 -> "87.3". */
export function percent(value: number, digits = 1): string {
  return fixed(100 * value, digits);
}

/** A difference of shares in points, always signed: 0.012 -> "+1.2". */
export function points(value: number, digits = 1): string {
  const text = percent(value, digits);
  return text.startsWith(MINUS) || text === "n/a" || Number(text) === 0 ? text : `+${text}`;
}

/** "−3.0 to +5.4". */
export function pointsRange({ low, high }: { readonly low: number; readonly high: number }): string {
  return `${points(low)} to ${points(high)}`;
}

/** Seconds as "0.4 s", "38 s", "4 min 05 s", "2 h 10 min". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)}${THIN_SPACE}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}${THIN_SPACE}s`;
  if (whole < 3600) {
    return `${Math.floor(whole / 60)}${THIN_SPACE}min ${String(whole % 60).padStart(2, "0")}${THIN_SPACE}s`;
  }
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)}${THIN_SPACE}h ${String(minutes % 60).padStart(2, "0")}${THIN_SPACE}min`;
}

/** Bytes as "512 MiB" or "1.9 GiB". */
export function bytes(value: number): string {
  const mebibytes = value / 2 ** 20;
  return mebibytes < 1000
    ? `${mebibytes.toFixed(mebibytes < 10 ? 1 : 0)}${THIN_SPACE}MiB`
    : `${(mebibytes / 1024).toFixed(1)}${THIN_SPACE}GiB`;
}

/** "1 photo", "2 photos", "3 classes". */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  const digits = count >= 10000 ? String(count).replaceAll(/\B(?=(\d{3})+$)/g, THIN_SPACE) : String(count);
  return `${digits} ${count === 1 ? singular : plural}`;
}

/** "a", "a and b", "a, b and c". */
export function listed(items: readonly string[]): string {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
}
