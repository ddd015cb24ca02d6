// Colours that carry a figure: kinds that are told apart, and a scale from little to much. Each is seen on light and dark
// paper, and by those who do not tell red from green.

export const KINDS = ["#4477aa", "#cc6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44aa99", "#7766bb", "#999933"];
export const NO_FIGURE = "#9a9a94";

const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const FALL = [33, 102, 172];
const LEVEL = [200, 200, 196];
const RISE = [214, 96, 40];

const mixed = (from, to, part) => from.map((value, at) => Math.round(value + (to[at] - value) * part));
const css = (rgb) => `rgb(${rgb.join(",")})`;

// `part` from 0 to 1.
export function scaleColor(part) {
  const place = Math.max(0, Math.min(1, part)) * (SCALE.length - 1);
  const low = Math.min(SCALE.length - 2, Math.floor(place));
  return css(mixed(SCALE[low], SCALE[low + 1], place - low));
}

// `part` from -1 to 1, 0 for neither.
export function changeColor(part) {
  const bounded = Math.max(-1, Math.min(1, part));
  return css(mixed(LEVEL, bounded < 0 ? FALL : RISE, Math.abs(bounded)));
}

// The colour of a value of a measure among topics, and the ends of its scale; the outer twentieths take the ends' colours.
export function colorsOf(measure, places) {
  const values = places.map(measure.of).filter((value) => value !== null).sort((a, b) => a - b);
  if (!values.length) return { low: null, high: null, of: () => NO_FIGURE };
  const at = (part) => values[Math.min(values.length - 1, Math.floor(part * values.length))];
  let low = at(0.05);
  let high = at(0.95);
  if (measure.middle !== undefined) {
    high = Math.max(Math.abs(low - measure.middle), Math.abs(high - measure.middle), 1e-9);
    low = measure.middle - high;
    high = measure.middle + high;
  }
  const span = high - low || 1;
  const color = measure.middle === undefined ? (value) => scaleColor((value - low) / span) : (value) => changeColor((2 * (value - low)) / span - 1);
  return { low, high, of: (place) => (measure.of(place) === null ? NO_FIGURE : color(measure.of(place))) };
}
