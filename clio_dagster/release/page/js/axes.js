// Scales of larger charts: round steps along an axis, and their names.

// Round figures between two, about as many as asked for.
export function roundSteps(low, high, wanted) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough * 0.999);
  const steps = [];
  for (let turn = Math.ceil(low / step - 1e-6) || 0; turn * step <= high + step * 1e-6; turn += 1) steps.push(turn * step);
  return steps;
}

// Names of steps, with the digits that tell them apart.
export function stepNames(steps, style) {
  const gap = steps.length > 1 ? steps[1] - steps[0] : 1;
  const digits = Math.ceil(-Math.log10(gap) - 1e-6) - (style === "percent" ? 2 : 0);
  const names = new Intl.NumberFormat(undefined, { style, maximumFractionDigits: Math.max(0, Math.min(8, digits)) });
  return steps.map((step) => names.format(step));
}

// An axis for values, from pixel `from` to pixel `to`: { at(value), steps: [{ value, name }] }.
// `isLog`: every doubling takes the same room.
export function makeAxis(values, from, to, { wanted, style, isLog = false }) {
  const of = isLog ? (value) => Math.log10(Math.max(value, 1)) : (value) => value;
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, of(value));
    high = Math.max(high, of(value));
  }
  const room = (high - low) * 0.04 || Math.abs(high) * 0.1 || 1;
  const least = low >= 0 ? Math.max(0, low - room) : low - room;
  const most = high + room;
  const at = (value) => from + ((of(value) - least) / (most - least)) * (to - from);
  if (!isLog) {
    const steps = roundSteps(least, most, wanted);
    const names = stepNames(steps, style);
    return { at, steps: steps.map((value, place) => ({ value, name: names[place] })) };
  }
  const tens = [];
  for (let power = Math.floor(least); power <= most; power += 1) tens.push(...[1, 2, 5].map((times) => times * 10 ** power));
  const within = tens.filter((value) => of(value) >= least && of(value) <= most);
  const steps = within.length > 2 * wanted ? within.filter((value) => Number.isInteger(Math.log10(value))) : within;
  return { at, steps: steps.map((value) => ({ value, name: new Intl.NumberFormat().format(value) })) };
}
