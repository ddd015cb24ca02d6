// A chart of lines over days, on the page and as a picture. Lines differ in colour and in dashes; a day whose share is not
// shown breaks them.

import { roundSteps, stepNames } from "./axes.js";
import { KINDS } from "./colors.js";
import { shape } from "./dom.js";
import { dayAndMonth, plural } from "./format.js";
import { PICTURE_INK, words } from "./pictures.js";

// Colours of KINDS that are seen on light and on dark paper alike.
export const LINES = [
  { color: KINDS[0], dashes: "none" },
  { color: KINDS[1], dashes: "9 4" },
  { color: KINDS[2], dashes: "2 3" },
  { color: KINDS[8], dashes: "12 4 2 4" },
  { color: KINDS[9], dashes: "5 3 1 3 1 3" },
  { color: "#80868b", dashes: "5 5" },
];

const LINES_MARGIN = { left: 52, right: 16, top: 22, bottom: 28 };
const HEADROOM = 1.12;
const ROOM_FOR_DAY = 64; // pixels
const FEWEST_WITHOUT_POINTS = 32; // days

// Pieces of a path, one for each run of days whose share is shown.
export function runs(shares, x, y) {
  let path = "";
  shares.forEach((share, day) => {
    if (share === null) return;
    path += `${day > 0 && shares[day - 1] !== null ? "L" : "M"}${x(day).toFixed(1)} ${y(share).toFixed(1)}`;
  });
  return path;
}

// What is drawn and where: `lines` are { name, shares, births }, a place of `dates` for each share and birth.
export function linesChart(lines, dates, span, width, height) {
  const all = lines.flatMap(({ shares }) => shares.filter((share) => share !== null));
  const most = Math.max(1e-9, ...all) * HEADROOM;
  const right = width - LINES_MARGIN.right;
  const ground = height - LINES_MARGIN.bottom;
  const x = (day) => (dates.length === 1 ? (LINES_MARGIN.left + right) / 2 : LINES_MARGIN.left + (day / (dates.length - 1)) * (right - LINES_MARGIN.left));
  const y = (share) => ground - (share / most) * (ground - LINES_MARGIN.top);
  const parts = [windowShade(span, dates, x, ground), ...(all.length ? shareAxis(most, y, right) : []), ...dayAxis(dates, x, ground, right)];
  lines.forEach(({ shares, births }, place) => {
    const { color, dashes } = LINES[place];
    parts.push(shape("path", { class: "line", d: runs(shares, x, y), fill: "none", stroke: color, "stroke-width": 2, "stroke-dasharray": dashes, "stroke-linejoin": "round" }));
    shares.forEach((share, day) => {
      if (share === null) return;
      const stands = (shares[day - 1] ?? null) === null && (shares[day + 1] ?? null) === null;
      if (stands || dates.length < FEWEST_WITHOUT_POINTS) parts.push(shape("circle", { class: "point", cx: x(day).toFixed(1), cy: y(share).toFixed(1), r: 2.5, fill: color }));
    });
    for (const day of births) parts.push(...birthMark(x(day), y(shares[day] ?? 0), color));
  });
  const nearest = (pixel) => Math.max(0, Math.min(dates.length - 1, Math.round(((pixel - LINES_MARGIN.left) / (right - LINES_MARGIN.left)) * (dates.length - 1))));
  return { parts: parts.filter(Boolean), x, y, top: LINES_MARGIN.top, ground, nearest };
}

function birthMark(x, y, color) {
  return [
    shape("circle", { class: "birth", cx: x.toFixed(1), cy: y.toFixed(1), r: 6, fill: "none", stroke: color, "stroke-width": 2 }),
    words("new", x.toFixed(1), (y - 10).toFixed(1), { class: "tick", "font-size": 11, "text-anchor": "middle", fill: PICTURE_INK.soft }),
  ];
}

// The days that the release's own window covers.
function windowShade({ first, last }, dates, x, ground) {
  const covered = dates.flatMap((date, day) => (date >= first && date <= last ? [day] : []));
  if (!covered.length) return null;
  const [from, to] = [x(covered[0]), x(covered[covered.length - 1])];
  const wide = Math.max(8, to - from);
  const shade = shape("rect", { class: "window", x: ((from + to - wide) / 2).toFixed(1), y: LINES_MARGIN.top - 16, width: wide.toFixed(1), height: ground - LINES_MARGIN.top + 16, fill: PICTURE_INK.line, "fill-opacity": 0.45 });
  const name = wide > 110 ? `window of ${plural(covered.length, "day", "days")}` : wide > 48 ? "window" : "";
  return shape("g", {}, shade, words(name, (from + 6).toFixed(1), LINES_MARGIN.top - 3, { class: "tick", "font-size": 11, fill: PICTURE_INK.soft }));
}

function shareAxis(most, y, right) {
  const steps = roundSteps(0, most, 4);
  const names = stepNames(steps, "percent");
  return steps.flatMap((share, place) => [
    shape("line", { class: place ? "grid" : "ground", x1: LINES_MARGIN.left, x2: right, y1: y(share).toFixed(1), y2: y(share).toFixed(1), stroke: place ? PICTURE_INK.line : PICTURE_INK.soft }),
    words(names[place], LINES_MARGIN.left - 8, (y(share) + 4).toFixed(1), { class: "tick", "font-size": 12, "text-anchor": "end", fill: PICTURE_INK.soft }),
  ]);
}

// The last day, and as many before it as have room.
function dayAxis(dates, x, ground, right) {
  const room = Math.max(1, Math.floor((right - LINES_MARGIN.left) / ROOM_FOR_DAY));
  const every = Math.max(1, Math.ceil((dates.length - 1) / room));
  const named = dates.flatMap((date, day) => ((dates.length - 1 - day) % every === 0 ? [day] : []));
  return named.map((day) => words(dayAndMonth(dates[day]), x(day).toFixed(1), ground + 18, { class: "tick", "font-size": 12, "text-anchor": x(day) > right - 20 ? "end" : "middle", fill: PICTURE_INK.soft }));
}
