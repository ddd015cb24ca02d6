// Numbers, dates and languages in the reader's locale. A count that is not shown is "few", never 0.

export const FEW = "few";

const whole = new Intl.NumberFormat();
const twoDigits = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 2 });
const percents = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const finePercents = new Intl.NumberFormat(undefined, { style: "percent", maximumSignificantDigits: 2 });
const signedPercents = new Intl.NumberFormat(undefined, {
  style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero",
});
const longDate = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeZone: "UTC" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const languageNames = typeof Intl.DisplayNames === "function" ? new Intl.DisplayNames(undefined, { type: "language" }) : null;

export function count(value) {
  return value === null ? FEW : whole.format(value);
}

export function percent(value) {
  if (value === null) return FEW;
  return value > 0 && value < 0.001 ? finePercents.format(value) : percents.format(value);
}

export function change(value) {
  return signedPercents.format(value);
}

export function decimal(value) {
  return twoDigits.format(value);
}

export function chance(value) {
  return value < 0.001 ? "<0.001" : decimal(value);
}

export function day(iso) {
  return longDate.format(new Date(`${iso}T00:00:00Z`));
}

export function dayAndMonth(iso) {
  return shortDate.format(new Date(`${iso}T00:00:00Z`));
}

export function language(code) {
  if (code === "other") return "Other languages";
  try {
    return languageNames?.of(code) ?? code;
  } catch {
    return code;
  }
}

export function plural(number, one, many) {
  return `${whole.format(number)} ${number === 1 ? one : many}`;
}
