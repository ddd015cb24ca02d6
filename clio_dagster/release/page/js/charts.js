// Small charts: bars of HTML, lines and intervals of SVG. Each says in words what it draws.

import { element, shape } from "./dom.js";
import { dayAndMonth, percent } from "./format.js";

// A bar of `share` of the full width; `mark`, where given, is a second share drawn as a tick.
export function bar(share, mark = null) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${Math.min(100, share * 100)}%`;
  const track = element("span", { class: "track", "aria-hidden": "true" }, fill);
  if (mark !== null) {
    const tick = element("span", { class: "tick" });
    tick.style.left = `${Math.min(100, mark * 100)}%`;
    track.append(tick);
  }
  return track;
}

const OCTAVES = 3; // an interval is drawn from 1/8 to 8 times the base rate

export function interval(value, low, high) {
  const x = (ratio) => 40 + 38 * Math.max(-1, Math.min(1, Math.log2(Math.max(ratio, 1e-6)) / OCTAVES));
  return shape(
    "svg",
    { class: "interval", viewBox: "0 0 80 14", "aria-hidden": "true" },
    shape("line", { class: "even", x1: 40, x2: 40, y1: 1, y2: 13 }),
    ...(low === null || high === null
      ? []
      : [shape("line", { class: "reach", x1: x(low), x2: x(high), y1: 7, y2: 7 })]),
    shape("circle", { cx: x(value), cy: 7, r: 3 }),
  );
}

const WIDTH = 320;
const HEIGHT = 84;
const EDGE = 6;

// Shares over days as a line, broken where a day's share is not shown. `dates` are all days of the release.
export function trend(dates, shares) {
  const shown = shares.flatMap((share, at) => (share === null ? [] : [at]));
  const most = Math.max(...shown.map((at) => shares[at]), 1e-9);
  const x = (at) => EDGE + (at / Math.max(1, dates.length - 1)) * (WIDTH - 2 * EDGE);
  const y = (share) => HEIGHT - EDGE - (share / most) * (HEIGHT - 2 * EDGE);
  let line = "";
  shares.forEach((share, at) => {
    if (share === null) return;
    const joins = at > 0 && shares[at - 1] !== null;
    line += `${joins ? "L" : "M"}${x(at).toFixed(1)} ${y(share).toFixed(1)}`;
  });
  const first = shown[0];
  const last = shown[shown.length - 1];
  const words = `Share from ${percent(shares[first])} on ${dayAndMonth(dates[first])} to ${percent(shares[last])} on ${dayAndMonth(dates[last])}`;
  const drawing = shape(
    "svg",
    { class: "trend", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words },
    shape("line", { class: "ground", x1: EDGE, x2: WIDTH - EDGE, y1: y(0), y2: y(0) }),
    shape("path", { d: line }),
  );
  if (shown.length <= 31) {
    for (const at of shown) drawing.append(pointOn(dates[at], shares[at], x(at), y(shares[at]), at === last));
  }
  return element(
    "figure",
    { class: "trend-figure" },
    drawing,
    element("figcaption", {}, element("span", {}, dayAndMonth(dates[0])), element("span", {}, `highest ${percent(most)}`), element("span", {}, dayAndMonth(dates[dates.length - 1]))),
  );
}

function pointOn(date, share, x, y, isLast) {
  const point = shape("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: isLast ? 3.5 : 2, class: isLast ? "last" : "" });
  point.append(shape("title", {}, `${dayAndMonth(date)}: ${percent(share)}`));
  return point;
}
