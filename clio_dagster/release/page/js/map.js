// The map: base topics as circles where their names lie, the topics above them as regions. Drawn on a canvas; what is
// near enough to be read has its name.

import { KINDS, NO_FIGURE, colorsOf } from "./colors.js";
import { byId, element, foreign, shape } from "./dom.js";
import { count } from "./format.js";
import { measureOptions, measuresOf } from "./measures.js";
import { clipped, picture, words, PICTURE_INK } from "./pictures.js";
import { circleAt, penOn } from "./plot.js";
import { topicTable } from "./tree.js";

const UNITS = 10000; // the page's positions are whole parts of the map's longer side
const PADDING = 40;
const CLOSEST = 60; // times the whole map
const STEP = 1.5;
const LARGEST = 0.035; // radius of the largest circle, of the canvas' shorter side
const SMALLEST = 2.5;
const SAVED = [1280, 900];
const MOST_NAMES = 60;
const FAINT = 0.12;
const BESIDE = 0.4; // of circles that are not the chosen topic's
const DEEPER = 1.7; // how much nearer each level of names is shown
const READ_FROM = 7; // radius in pixels from which a circle has its name
const MARGIN = 12; // pixels of a region around its circles
const FEWEST_IN_REGION = 12;
const OUTERMOST = 0.1; // share of a topic's circles that its region may leave out
const TAU = 2 * Math.PI;

export const mapView = {
  name: "map",
  title: "Map",
  make(host, page) {
    const { model } = page;
    const { topics } = model;
    const measures = new Map(measuresOf(model).map((measure) => [measure.key, measure]));
    const choice = element("select", { id: "map-color" }, element("option", { value: "top" }, "Top topic"), ...measureOptions(measures.values()));
    const canvas = element("canvas", { tabindex: 0, role: "img", class: "map" });
    const tip = element("p", { class: "tip", "aria-hidden": "true", hidden: true });
    const legend = element("div", { class: "legend" });
    const heading = element("p", { class: "sr", "aria-live": "polite" });
    const nearer = button("Nearer", "+", () => zoom(STEP));
    const farther = button("Farther", "−", () => zoom(1 / STEP));
    const whole = button("The whole map", "Whole", () => fit());
    host.append(
      element("div", { class: "map-tools" }, element("label", {}, "Colour ", choice), element("span", { class: "zoom" }, nearer, farther, whole)),
      element("div", { class: "map-frame" }, canvas, tip),
      legend,
      element("p", { class: "note" }, "Topics with names of like meaning lie near each other; circles are as large as their conversations. Scroll or + and − to go nearer, drag or arrow keys with Shift to move, arrow keys to go from topic to topic."),
      heading,
    );
    let by = null;
    let places = [];
    let regions = [];
    let spot = { scale: 1, x: 0, y: 0 };
    let asked = false;
    let chosen = null;
    let size = { width: 0, height: 0 };
    let drawn = null;

    choice.addEventListener("change", () => page.state.set({ color: choice.value }));
    new ResizeObserver(() => {
      const isFirst = size.width === 0;
      size = { width: canvas.clientWidth, height: canvas.clientHeight };
      if (isFirst) fit();
      else draw();
    }).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    byId("theme").addEventListener("click", draw);

    function update() {
      if (by !== page.by()) {
        by = page.by();
        places = topics.x.flatMap((x, at) => (x !== null && topics.clustered_by[at] === by && !model.children(at).length ? [at] : []));
        regions = regionsOf(model, places);
        fit();
      }
      const { color } = page.state.get();
      choice.value = measures.has(color) ? color : "top";
      canvas.setAttribute("aria-label", `Map of ${count(places.length)} topics, coloured by ${choice.selectedOptions[0].textContent}`);
      const at = page.chosen();
      if (at !== chosen) {
        chosen = at;
        if (at !== null && topics.x[at] !== null) {
          heading.textContent = topics.name[at];
          bringIntoSight(at);
        }
      }
      draw();
    }

    function fit() {
      spot = fitted(places, topics, size.width, size.height);
      draw();
    }

    function zoom(times, at = [size.width / 2, size.height / 2]) {
      const least = fitted(places, topics, size.width, size.height).scale;
      const scale = Math.max(least / 2, Math.min(least * CLOSEST, spot.scale * times));
      const kept = scale / spot.scale;
      spot = { scale, x: at[0] - (at[0] - spot.x) * kept, y: at[1] - (at[1] - spot.y) * kept };
      draw();
    }

    function move(x, y) {
      spot = { ...spot, x: spot.x + x, y: spot.y + y };
      draw();
    }

    function bringIntoSight(at) {
      const [x, y] = onCanvas(topics, at, spot);
      if (x < 0 || y < 0 || x > size.width || y > size.height) move(size.width / 2 - x, size.height / 2 - y);
    }

    function draw() {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        if (!size.width) return;
        drawn = scene();
        paint(penOn(canvas, size), drawn);
      });
    }

    // All that is drawn, on a canvas or in a picture: circles, regions, and names in letters of so many times their usual size.
    function scene(width = size.width, height = size.height, at = spot, letter = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16) {
      const measure = measures.get(choice.value);
      const colors = measure ? colorsOf(measure, places) : null;
      const tops = model.roots.filter((top) => topics.clustered_by[top] === by);
      const colorOf = measure ? colors.of : (place) => KINDS[tops.indexOf(model.path(place)[0]) % KINDS.length] ?? NO_FIGURE;
      drawLegend(measure, colors, tops);
      const found = page.found();
      const nearness = at.scale / fitted(places, topics, width, height).scale;
      const unit = radiusUnit(places, topics, width, height, nearness);
      const circles = places.map((place) => {
        const [x, y] = onCanvas(topics, place, at);
        return { at: place, x, y, r: radius(topics, place, unit), color: colorOf(place), isFound: !found || found.has.has(place), isChosen: model.path(place).includes(chosen) };
      });
      const grounds = tops.map((top, place) => ({ color: measure ? NO_FIGURE : KINDS[place % KINDS.length], corners: hull(circles.filter((circle) => model.path(circle.at)[0] === top)) }));
      const outline = chosen !== null && model.children(chosen).length ? hull(circles.filter(({ isChosen }) => isChosen)) : [];
      return { circles, grounds, outline, names: namesOf(model, circles, regions, nearness, at, width, height, letter), width, height, chosen, letter };
    }

    function drawLegend(measure, colors, tops) {
      const key = `${choice.value} ${by}`;
      if (legend.dataset.key === key) return;
      legend.dataset.key = key;
      legend.replaceChildren(...(measure ? scaleLegend(measure, colors) : tops.map((top, place) => kindLegend(model, top, KINDS[place % KINDS.length], page.choose))));
    }

    const hitBy = (event) => (drawn ? (circleAt(drawn.circles, canvas, event)?.at ?? null) : null);

    function pointOf(event) {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    }

    let drag = null;
    canvas.addEventListener("pointerdown", (event) => {
      drag = { x: event.clientX, y: event.clientY, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (drag) {
        const [x, y] = [event.clientX - drag.x, event.clientY - drag.y];
        if (!drag.moved && Math.hypot(x, y) < 4) return;
        drag = { x: event.clientX, y: event.clientY, moved: true };
        tip.hidden = true;
        move(x, y);
        return;
      }
      const [point, hit] = [pointOf(event), hitBy(event)];
      tip.hidden = hit === null;
      canvas.classList.toggle("on-topic", hit !== null);
      if (hit === null) return;
      const measure = measures.get(choice.value);
      tip.replaceChildren(foreign("b", topics.name[hit]), ` ${count(topics.window_conversations[hit])} conversations${measure && measure.key !== "size" ? ` · ${measure.title}: ${measure.format(measure.of(hit))}` : ""}`);
      tip.style.left = `${Math.min(point[0] + 12, Math.max(0, size.width - tip.offsetWidth - 8))}px`;
      tip.style.top = `${Math.max(0, point[1] - tip.offsetHeight - 10)}px`;
    });
    canvas.addEventListener("pointerup", (event) => {
      const wasDrag = drag?.moved;
      drag = null;
      if (wasDrag) return;
      const hit = hitBy(event);
      if (hit !== null) page.choose(hit, true);
    });
    canvas.addEventListener("pointercancel", () => {
      drag = null;
    });
    canvas.addEventListener("pointerleave", () => {
      tip.hidden = true;
    });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY / 400), pointOf(event));
    }, { passive: false });

    const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    canvas.addEventListener("keydown", (event) => {
      const direction = DIRECTIONS[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (direction && event.shiftKey) move(-60 * direction[0], -60 * direction[1]);
      else if (direction) {
        const next = towards(places, topics, chosen, direction);
        if (next !== null) page.choose(next);
      } else if (event.key === "+" || event.key === "=") zoom(STEP);
      else if (event.key === "-") zoom(1 / STEP);
      else if (event.key === "0") fit();
      else if (event.key === "Enter" && chosen !== null) page.choose(chosen, true);
      else return;
      event.preventDefault();
    });

    const shown = () => (page.found() ? places.filter((place) => page.found().has.has(place)) : places);
    return {
      update,
      focus: () => canvas.focus(),
      table: () => {
        const { columns, rows } = topicTable(model, shown());
        return { columns: [...columns, "x", "y"], rows: rows.map((row, place) => [...row, topics.x[shown()[place]], topics.y[shown()[place]]]) };
      },
      picture: () => savedMap(scene(...SAVED, fitted(places, topics, ...SAVED), 1)),
    };
  },
};

function button(label, sign, onClick) {
  const made = element("button", { type: "button", class: "quiet", "aria-label": label }, sign);
  made.addEventListener("click", onClick);
  return made;
}

function fitted(places, topics, width, height) {
  if (!places.length || !width) return { scale: 1, x: 0, y: 0 };
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const at of places) {
    left = Math.min(left, topics.x[at]);
    right = Math.max(right, topics.x[at]);
    top = Math.min(top, topics.y[at]);
    bottom = Math.max(bottom, topics.y[at]);
  }
  const scale = Math.min((width - 2 * PADDING) / Math.max(right - left, UNITS / 100), (height - 2 * PADDING) / Math.max(bottom - top, UNITS / 100));
  return { scale, x: width / 2 - (scale * (left + right)) / 2, y: height / 2 - (scale * (top + bottom)) / 2 };
}

const onCanvas = (topics, at, { scale, x, y }) => [x + scale * topics.x[at], y + scale * topics.y[at]];

// Circles grow with the map, but slower than it, so that what overlaps comes apart.
function radiusUnit(places, topics, width, height, nearness) {
  let most = 1;
  for (const at of places) most = Math.max(most, topics.window_conversations[at] ?? 0);
  const crowd = Math.min(1, Math.sqrt(120 / Math.max(1, places.length)) + 0.15);
  return (LARGEST * Math.min(width, height) * crowd * Math.sqrt(nearness)) / Math.sqrt(most);
}

const radius = (topics, at, unit) => Math.max(SMALLEST, unit * Math.sqrt(topics.window_conversations[at] ?? 0));

// The nearest circle in a direction, those straight ahead before those aside.
function towards(places, topics, from, [dx, dy]) {
  if (from === null || topics.x[from] === null) return places[0] ?? null;
  let best = null;
  let least = Infinity;
  for (const at of places) {
    const [x, y] = [topics.x[at] - topics.x[from], topics.y[at] - topics.y[from]];
    const ahead = x * dx + y * dy;
    if (at === from || ahead <= 0) continue;
    const cost = ahead + 2 * Math.abs(x * dy - y * dx);
    if (cost < least) [best, least] = [at, cost];
  }
  return best;
}

// Topics above the circles: where their circles' middle is, and how far those lie from it. Broad ones first.
function regionsOf(model, places) {
  const { topics } = model;
  const found = new Map();
  for (const place of places) {
    const weight = Math.max(1, topics.window_conversations[place] ?? 0);
    model.path(place).slice(0, -1).forEach((at, depth) => {
      const region = found.get(at) ?? { at, depth, weight: 0, x: 0, y: 0 };
      region.weight += weight;
      region.x += weight * topics.x[place];
      region.y += weight * topics.y[place];
      found.set(at, region);
    });
  }
  return [...found.values()].map((region) => ({ ...region, x: region.x / region.weight, y: region.y / region.weight })).sort((a, b) => a.depth - b.depth || b.weight - a.weight);
}

// Names that have room: of regions while the map is far, of circles as it comes near; the largest first.
function namesOf(model, circles, regions, nearness, spot, width, height, letter) {
  const { topics } = model;
  const names = [];
  const taken = [];
  const put = (text, x, y, letters, big, at) => {
    const wide = letters * (big ? 8.2 : 6.4) * letter;
    const box = [x - wide / 2, y - (big ? 12 : 9) * letter, x + wide / 2, y + (big ? 8 : 6) * letter];
    if (box[2] < 0 || box[0] > width || box[3] < 0 || box[1] > height) return;
    if (names.length >= MOST_NAMES || taken.some((one) => one[0] < box[2] && box[0] < one[2] && one[1] < box[3] && box[1] < one[3])) return;
    taken.push(box);
    names.push({ text, x, y, big, at });
  };
  const inSight = (x, y) => x > -50 && y > -50 && x < width + 50 && y < height + 50;
  for (const region of regions) {
    if (nearness < DEEPER ** region.depth) break;
    const [x, y] = [spot.x + spot.scale * region.x, spot.y + spot.scale * region.y];
    if (!inSight(x, y)) continue;
    const text = clipped(topics.name[region.at], 34);
    put(text, x, y, [...text].length, region.depth === 0, region.at);
  }
  const near = circles.filter(({ x, y, r, isFound }) => isFound && r > READ_FROM && inSight(x, y)).sort((a, b) => b.isChosen - a.isChosen || b.r - a.r);
  for (const { at, x, y, r } of near.slice(0, 4 * MOST_NAMES)) {
    const text = clipped(topics.name[at], 28);
    put(text, x, y + r + 11 * letter, [...text].length, false, at);
  }
  return names;
}

function paint(pen, { circles, grounds, outline, names, width, height, chosen, letter }) {
  const style = getComputedStyle(document.documentElement);
  const [ink, sheet] = ["--ink", "--sheet"].map((name) => style.getPropertyValue(name));
  pen.fillStyle = sheet;
  pen.fillRect(0, 0, width, height);
  pen.lineJoin = "round";
  pen.globalAlpha = 0.1;
  for (const { color, corners } of grounds) {
    pen.fillStyle = color;
    around(pen, corners);
    pen.fill();
  }
  const isSome = circles.some(({ isChosen }) => isChosen);
  for (const { x, y, r, color, isFound, isChosen } of circles) {
    if (x < -r || y < -r || x > width + r || y > height + r) continue;
    pen.globalAlpha = !isFound ? FAINT : isChosen || !isSome ? 0.85 : BESIDE;
    pen.fillStyle = color;
    pen.beginPath();
    pen.arc(x, y, r, 0, TAU);
    pen.fill();
  }
  pen.globalAlpha = 1;
  pen.strokeStyle = ink;
  pen.lineWidth = 1.25;
  around(pen, outline);
  pen.stroke();
  for (const { at, x, y, r } of circles) {
    if (at !== chosen) continue;
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.arc(x, y, r + 1, 0, TAU);
    pen.stroke();
  }
  pen.textAlign = "center";
  for (const { text, x, y, big } of names) {
    pen.font = big ? `600 ${15 * letter}px Georgia, 'Noto Serif', serif` : `${12 * letter}px system-ui, 'Noto Sans', sans-serif`;
    pen.lineWidth = 3 * letter;
    pen.strokeStyle = sheet;
    pen.strokeText(text, x, y);
    pen.fillStyle = ink;
    pen.fillText(text, x, y);
  }
}

function around(pen, corners) {
  pen.beginPath();
  corners.forEach(([x, y]) => pen.lineTo(x, y));
  pen.closePath();
}

// Corners of a region without dents around all but the outermost circles, and a margin (Andrew's monotone chain, 1979).
function hull(circles) {
  if (circles.length < FEWEST_IN_REGION) return [];
  const middle = ["x", "y"].map((axis) => circles.reduce((sum, circle) => sum + circle[axis], 0) / circles.length);
  const points = circles
    .map(({ x, y }) => [x, y, Math.hypot(x - middle[0], y - middle[1])])
    .sort((a, b) => a[2] - b[2])
    .slice(0, Math.max(3, Math.ceil((1 - OUTERMOST) * circles.length)))
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (ordered) => {
    const side = [];
    for (const point of ordered) {
      while (side.length > 1 && turn(side.at(-2), side.at(-1), point) <= 0) side.pop();
      side.push(point);
    }
    return side.slice(0, -1);
  };
  return [...half(points), ...half(points.reverse())].map(([x, y, far]) => [x + (MARGIN * (x - middle[0])) / (far || 1), y + (MARGIN * (y - middle[1])) / (far || 1)]);
}

const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);

function savedMap({ circles, grounds, names, width, height }) {
  const drawn = circles.filter(({ isFound }) => isFound).map(({ x, y, r, color }) => shape("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: r.toFixed(1), fill: color, "fill-opacity": 0.75 }));
  const written = names.map(({ text, x, y, big }) =>
    words(text, x.toFixed(1), y.toFixed(1), { "text-anchor": "middle", "font-size": big ? 16 : 12, "font-weight": big ? 600 : 400, stroke: PICTURE_INK.paper, "stroke-width": 3, "paint-order": "stroke" }));
  const below = grounds.map(({ color, corners }) =>
    shape("polygon", { points: corners.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "), fill: color, opacity: 0.1 }));
  return picture(width, height, ...below, ...drawn, ...written);
}

function kindLegend(model, top, color, choose) {
  const dot = element("span", { class: "dot", "aria-hidden": "true" });
  dot.style.background = color;
  const link = element("button", { type: "button", class: "key" }, dot, foreign("span", model.topics.name[top]));
  link.addEventListener("click", () => choose(top, true));
  return link;
}

function scaleLegend(measure, colors) {
  if (colors.low === null) return [element("p", { class: "note" }, "No topic shows this figure.")];
  const band = element("span", { class: measure.middle === undefined ? "band" : "band change", "aria-hidden": "true" });
  const none = element("span", { class: "dot", "aria-hidden": "true" });
  none.style.background = NO_FIGURE;
  return [element("span", {}, measure.format(colors.low)), band, element("span", {}, measure.format(colors.high)), none, element("span", {}, "not shown")];
}
