// A plot of circles over two axes, on a canvas and as a picture.

import { makeAxis } from "./axes.js";
import { shape } from "./dom.js";
import { PICTURE_INK, clipped, picture, words } from "./pictures.js";

const PLOT_MARGIN = { left: 56, right: 20, top: 34, bottom: 52 };
const TITLE_LENGTH = 60;
const CIRCLES = { least: 3, most: 22 };
const MOST_OUTLINED = 1000;
const MOST_NAMED = 30;
const SAVED_PLOT = [1120, 720];
const REACH = 8; // pixels beyond a circle that still point to it
const WHOLE_TURN = 2 * Math.PI;

// Circles, the largest first, and both axes, in pixels.
export function plotOf(model, places, [across, up], width, height) {
  const axisOf = (measure, from, to, wanted) =>
    makeAxis(places.map(measure.of), from, to, { wanted, isLog: measure.key === "size", style: measure.key === "size" || measure.key.startsWith("mean:") ? "decimal" : "percent" });
  const x = axisOf(across, PLOT_MARGIN.left, width - PLOT_MARGIN.right, Math.max(3, Math.floor(width / 120)));
  const y = axisOf(up, height - PLOT_MARGIN.bottom, PLOT_MARGIN.top, 5);
  const sizes = model.topics.window_conversations;
  const most = places.reduce((so, at) => Math.max(so, sizes[at] ?? 0), 1);
  const largest = CIRCLES.most * Math.min(1, Math.sqrt(150 / Math.max(1, places.length)) + 0.2);
  const circles = places.map((at) => ({ at, x: x.at(across.of(at)), y: y.at(up.of(at)), r: Math.max(CIRCLES.least, largest * Math.sqrt((sizes[at] ?? 0) / most)) }));
  return { circles: circles.sort((a, b) => b.r - a.r), x: places.length ? x.steps : [], y: places.length ? y.steps : [], xAt: x.at, yAt: y.at, titles: [across, up].map(({ title }) => clipped(title, TITLE_LENGTH)), width, height };
}

export function penOn(canvas, { width, height }) {
  const sharp = devicePixelRatio || 1;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  return pen;
}

// The circle that a pointer's event is on, or nearest to; null where none is in reach.
export function circleAt(circles, canvas, event) {
  const frame = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
  let best = null;
  let least = REACH;
  for (const circle of circles) {
    const beyond = Math.hypot(circle.x - x, circle.y - y) - circle.r;
    if (beyond < least) [best, least] = [circle, beyond];
  }
  return best;
}

export function paintPlot(pen, { circles, x, y, xAt, yAt, titles, width, height }, ink) {
  const ground = height - PLOT_MARGIN.bottom;
  pen.font = `12px ${ink.sans}`;
  pen.strokeStyle = ink.line;
  pen.fillStyle = ink.soft;
  const line = (...[fromX, fromY, toX, toY]) => {
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
  };
  pen.textAlign = "center";
  for (const { value, name } of x) {
    line(xAt(value), PLOT_MARGIN.top, xAt(value), ground);
    pen.fillText(name, xAt(value), ground + 18);
  }
  pen.textAlign = "right";
  for (const { value, name } of y) {
    line(PLOT_MARGIN.left, yAt(value), width - PLOT_MARGIN.right, yAt(value));
    pen.fillText(name, PLOT_MARGIN.left - 8, yAt(value) + 4);
  }
  pen.fillStyle = ink.ink;
  pen.fillText(titles[0], width - PLOT_MARGIN.right, height - 12);
  pen.textAlign = "left";
  pen.fillText(titles[1], 16, 20);
  pen.fillStyle = ink.bar;
  pen.strokeStyle = ink.sheet;
  for (const circle of circles) {
    pen.globalAlpha = 0.65;
    pen.beginPath();
    pen.arc(circle.x, circle.y, circle.r, 0, WHOLE_TURN);
    pen.fill();
    pen.globalAlpha = 1;
    if (circles.length <= MOST_OUTLINED) pen.stroke();
  }
}

export function paintChosen(pen, marked, ink) {
  if (!marked) return;
  pen.fillStyle = ink.accent;
  pen.strokeStyle = ink.ink;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(marked.x, marked.y, marked.r, 0, WHOLE_TURN);
  pen.globalAlpha = 0.65;
  pen.fill();
  pen.globalAlpha = 1;
  pen.stroke();
}

// Names above the largest circles, but for those that would lie on another.
function namesWithRoom(model, circles) {
  const names = [];
  for (const { at, x, y, r } of circles.slice(0, MOST_NAMED)) {
    const text = clipped(model.topics.name[at], 32);
    const name = { text, x, y: y - r - 4, half: [...text].length * 3.2 };
    if (names.every((one) => Math.abs(one.y - name.y) > 13 || Math.abs(one.x - name.x) > one.half + name.half)) names.push(name);
  }
  return names;
}

export function savedPlot(model, places, both) {
  const { circles, x, y, xAt, yAt, titles, width, height } = plotOf(model, places, both, ...SAVED_PLOT);
  const ground = height - PLOT_MARGIN.bottom;
  const soft = { fill: PICTURE_INK.soft, "font-size": 12 };
  const lines = [
    ...x.flatMap(({ value, name }) => [
      shape("line", { x1: xAt(value), x2: xAt(value), y1: PLOT_MARGIN.top, y2: ground, stroke: PICTURE_INK.line }),
      words(name, xAt(value), ground + 18, { ...soft, "text-anchor": "middle" }),
    ]),
    ...y.flatMap(({ value, name }) => [
      shape("line", { x1: PLOT_MARGIN.left, x2: width - PLOT_MARGIN.right, y1: yAt(value), y2: yAt(value), stroke: PICTURE_INK.line }),
      words(name, PLOT_MARGIN.left - 8, yAt(value) + 4, { ...soft, "text-anchor": "end" }),
    ]),
  ];
  const drawn = circles.map((circle) => shape("circle", { cx: circle.x.toFixed(1), cy: circle.y.toFixed(1), r: circle.r.toFixed(1), fill: PICTURE_INK.bar, "fill-opacity": 0.65, stroke: PICTURE_INK.paper }));
  const named = namesWithRoom(model, circles).map(({ text, x, y }) => words(text, x.toFixed(1), y.toFixed(1), { "text-anchor": "middle", "font-size": 11 }));
  const axes = [words(titles[0], width - PLOT_MARGIN.right, height - 12, { "text-anchor": "end" }), words(titles[1], 16, 20)];
  return picture(width, height, ...lines, ...drawn, ...named, ...axes);
}
