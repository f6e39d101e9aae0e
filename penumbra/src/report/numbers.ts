/** Numbers as people read them, in their language: a true minus sign, thin spaces, only digits that mean something. */

import { asSaid, localNumber, translated } from "./words/index.ts";

const MINUS = "\u2212";
const THIN_SPACE = "\u202f";

/** A fixed number of decimals with a true minus sign; "n/a" where there is no number. */
export function fixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return translated("n/a");
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? MINUS : "") + localNumber(text);
}

/** A share as a percentage without its sign: 0.8731 -> "87.3". */
export function percent(value: number, digits = 1): string {
  return fixed(100 * value, digits);
}

/** A difference of shares in points, always signed: 0.012 -> "+1.2". */
export function points(value: number, digits = 1): string {
  const text = percent(value, digits);
  return Number.isFinite(value) && value > 0 && Number((100 * value).toFixed(digits)) !== 0
    ? `+${text}`
    : text;
}

/** "−3.0 to +5.4". */
export function pointsRange({ low, high }: { readonly low: number; readonly high: number }): string {
  return translated(`${points(low)} to ${points(high)}`);
}

/** Seconds as "0.4 s", "38 s", "4 min 05 s", "2 h 10 min". */
export function duration(seconds: number): string {
  return asSaid(durationText(seconds));
}

function durationText(seconds: number): string {
  if (seconds < 10) return `${fixed(seconds, 1)}${THIN_SPACE}s`;
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
  return asSaid(
    mebibytes < 1000
      ? `${fixed(mebibytes, mebibytes < 10 ? 1 : 0)}${THIN_SPACE}MiB`
      : `${fixed(mebibytes / 1024, 1)}${THIN_SPACE}GiB`,
  );
}

/** "1 photo", "2 photos", "3 classes". */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  const digits = count >= 10000 ? String(count).replaceAll(/\B(?=(\d{3})+$)/g, THIN_SPACE) : String(count);
  return asSaid(`${digits} ${translated(count === 1 ? singular : plural)}`);
}

/** "a", "a and b", "a, b and c". */
export function listed(items: readonly string[]): string {
  const words = items.map(translated);
  if (words.length < 2) return words.join("");
  return asSaid(`${words.slice(0, -1).join(", ")} ${translated("and")} ${words[words.length - 1]}`);
}
