/** Amounts, times and durations in the reader's own locale. An amount stays a decimal string: never a float. */
import { now } from "../state/clock.js";

const formats = new Map();

function numberFormat(options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(undefined, options));
  return formats.get(key);
}

function digitsOf(decimal) {
  const digits = decimal.split(".")[1]?.length ?? 0;
  return { minimumFractionDigits: digits, maximumFractionDigits: digits };
}

/** `Intl` takes a decimal string as it is, to the last digit. */
export const amount = (decimal, options = {}) => numberFormat({ ...digitsOf(decimal), ...options }).format(decimal);

export const signedAmount = (decimal) => amount(decimal, { signDisplay: "exceptZero" });

export const money = (decimal, currency) =>
  amount(decimal, { style: "currency", currency, currencyDisplay: "code" });

export const count = (number) => numberFormat({}).format(number);

const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

/** `moment`: ISO text or milliseconds. The day is told only where it isn't today. */
export function time(moment) {
  const date = new Date(moment);
  const isToday = date.toDateString() === new Date(now()).toDateString();
  return (isToday ? timeOfDay : dayAndTime).format(date);
}

/** `12 ms`, `4.2 s`, `1 min 05 s`, `2 h 10 min`. */
export function duration(milliseconds) {
  const length = Math.max(0, milliseconds);
  if (length < 999.5) return `${count(Math.round(length))} ms`;
  if (length < 59_950) return `${numberFormat({ minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(length / 1000)} s`;
  const seconds = Math.round(length / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  const minutes = Math.floor(seconds / 60);
  return `${count(Math.floor(minutes / 60))} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** For marks on an axis: without needless digits. */
export const shortDuration = (milliseconds) =>
  milliseconds >= 1000 && milliseconds < 60_000
    ? `${numberFormat({ maximumFractionDigits: 2 }).format(milliseconds / 1000)} s`
    : duration(milliseconds);

/** Whole seconds until then, for countdowns; never below zero. */
export const secondsUntil = (moment) => Math.max(0, Math.ceil((Date.parse(moment) - now()) / 1000));

/** `account-worker@host:42` in its parts; the whole text as the process where it has another form. */
export function workerParts(identity) {
  const [, process, host, pid] = /^([^@]*)@(.*):([^:]*)$/.exec(identity) ?? [null, identity, "", ""];
  return { process, host, pid };
}
