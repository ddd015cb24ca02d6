// Topics by facets: a table of topics and one facet's values, shaded by share; and topics by any two figures.

import { makeAxis } from "./axes.js";
import { byId, element, foreign, shape } from "./dom.js";
import { titleOf, valuesShown, wordFor } from "./facets.js";
import { FEW, count, language, percent } from "./format.js";
import { languagesBySize } from "./languages.js";
import { measuresOf } from "./measures.js";
import { rowsOf, shareOf } from "./model.js";
import { PICTURE_INK, clipped, picture, words } from "./pictures.js";
import { heading, labelled, makeLevels, makeTopicRows, topicHeading } from "./rows.js";

const LANGUAGE = "language";
const NOT_PUBLISHED = "–";
const PLOT_HEIGHT = 440;
const PLOT_MARGIN = { left: 56, right: 20, top: 34, bottom: 52 };
const TITLE_LENGTH = 60;
const CIRCLES = { least: 3, most: 22 };
const REACH = 8; // pixels beyond a circle that still point to it
const MOST_OUTLINED = 1000;
const MOST_NAMED = 30;
const SAVED_PLOT = [1120, 720];
const WHOLE_TURN = 2 * Math.PI;

export const facetsView = {
  name: "facets",
  title: "Facets",
  make(host, page) {
    const levels = makeLevels(page);
    const heat = makeHeat(page, levels);
    const crossing = makeCrossing(page, levels);
    host.append(
      element("section", { class: "by-facet", "aria-label": "Topics by one facet" }, ...heat.parts),
      element("section", { class: "crossed", "aria-label": "Topics by two figures" }, ...crossing.parts),
    );

    function update() {
      levels.update();
      heat.update();
      crossing.update();
    }

    // The rows of the table, and each topic's two figures.
    function table() {
      const { columns, rows } = heat.table();
      const both = crossing.measures();
      return { columns: [...columns, ...both.map(({ title }) => title)], rows: rows.map((row, place) => [...row, ...both.map((measure) => measure.of(heat.listed()[place]))]) };
    }

    return { update, focus: heat.focus, table, picture: crossing.picture };
  },
};

function makeHeat(page, levels) {
  const { model, state } = page;
  const facets = facetsOf(model);
  const cellsBy = new Map();
  const select = element("select", {}, ...facets.map(({ facet, title }) => foreign("option", title, { value: facet })));
  const rows = makeTopicRows(page, "Topics by the values of a facet", (at) => heatCells(model, at, shown, cells()));
  let shown = facets[0];
  let key = null;

  select.addEventListener("change", () => state.set({ facet: select.value, order: "" }));
  rows.head.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    state.set({ order: button.value });
    rows.head.querySelectorAll("button").forEach((each) => each.value === button.value && each.focus());
  });

  function cells() {
    if (!cellsBy.has(shown.facet)) cellsBy.set(shown.facet, sharesOfValues(model, shown));
    return cellsBy.get(shown.facet);
  }

  function sortHeading(value, text, isFirst) {
    const isSorted = isFirst ? !shown.values.includes(state.get().order) : state.get().order === value;
    const button = foreign("button", text, { type: "button", value, title: "Sort by this" });
    return element("th", { scope: "col", "aria-sort": isSorted ? "descending" : "none" }, button);
  }

  function update() {
    if (!shown) return;
    shown = facets.find(({ facet }) => facet === state.get().facet) ?? facets[0];
    select.value = shown.facet;
    const { order } = state.get();
    const next = JSON.stringify([levels.key(), shown.facet, order]);
    if (next === key) {
      rows.mark();
      return;
    }
    key = next;
    rows.head.replaceChildren(heading("Topic"), sortHeading("", "Conversations", true), ...shown.values.map((value) => sortHeading(value, shown.wordFor(value), false)));
    rows.show(inOrderOf(order));
  }

  // Topics that show the facet, by size or by a value's share.
  function inOrderOf(order) {
    const all = cells();
    const size = (at) => model.topics.window_conversations[at] ?? -1;
    const places = [...all.keys()].filter(levels.shows).sort((a, b) => size(b) - size(a) || a - b);
    if (!shown.values.includes(order)) return places;
    const column = shown.values.indexOf(order);
    const share = (at) => rank(all.get(at)[column]);
    return places.sort((a, b) => share(b) - share(a));
  }

  function heatTable() {
    return {
      columns: ["topic", "name", "window_conversations", ...(shown?.values.map((value) => `${shown.facet}: ${value}`) ?? [])],
      rows: rows.listed().map((at) => [model.topics.topic[at], model.topics.name[at], model.topics.window_conversations[at], ...cells().get(at)]),
    };
  }

  return {
    parts: [
      element("h2", {}, "By one facet"),
      element("div", { class: "picks" }, labelled("Facet", select), levels.field),
      ...rows.parts,
      element("p", { class: "note" }, `Shares of a topic's conversations, the shade as deep as they are large; a heading sorts. “${FEW}” is a share that is not shown, ${NOT_PUBLISHED} a value with none published.`),
    ],
    update,
    focus: rows.focus,
    table: heatTable,
    listed: rows.listed,
  };
}

// A share that is not shown sorts below those that are, a value without a row below it.
const rank = (share) => (share === undefined ? -2 : (share ?? -1));

// Every facet that topics show, languages last.
function facetsOf(model) {
  const own = valuesShown(model.facets).map(({ facet, values }) => ({ facet, title: titleOf(facet), values, wordFor: (value) => wordFor(facet, value), table: model.facets, column: model.facets.value }));
  const { languages } = model;
  if (!languages.language.values.length) return own;
  return [...own.filter(({ facet }) => facet !== LANGUAGE), { facet: LANGUAGE, title: "Language", values: languagesBySize(languages), wordFor: language, table: languages, column: languages.language }];
}

// Each topic's shares of a facet's values, in their order: null where not shown, undefined where there is no row.
function sharesOfValues(model, { facet, values, table, column }) {
  const places = new Map(values.map((value, place) => [column.values.indexOf(value), place]));
  const wanted = table === model.facets ? table.facet.values.indexOf(facet) : null;
  const found = new Map();
  for (let at = 0; at < model.size; at += 1) {
    const [from, to] = rowsOf(table, at);
    for (let row = from; row < to; row += 1) {
      if (wanted !== null && table.facet.of[row] !== wanted) continue;
      const place = places.get(column.of[row]);
      if (place === undefined) continue;
      if (!found.has(at)) found.set(at, new Array(values.length).fill(undefined));
      found.get(at)[place] = shareOf(table, row);
    }
  }
  return found;
}

function heatCells(model, at, { values }, cells) {
  const shares = cells.get(at);
  const size = model.topics.window_conversations[at];
  return [
    topicHeading(model, at),
    element("td", { class: size === null ? "few" : "soft" }, count(size)),
    ...values.map((_, place) => heatCell(shares[place])),
  ];
}

function heatCell(share) {
  if (share === undefined) return element("td", { class: "soft" }, NOT_PUBLISHED);
  if (share === null) return element("td", { class: "few" }, FEW);
  const cell = element("td", { class: "heat" }, percent(share));
  cell.style.setProperty("--part", `${(100 * Math.sqrt(Math.min(1, share))).toFixed(1)}%`);
  return cell;
}

function makeCrossing(page, levels) {
  const { model, state } = page;
  const all = measuresOf(model);
  const usual = usuallyCrossed(all);
  const [across, up] = ["Across", "Up"].map((text) => ({ text, select: measureChoice(all) }));
  const canvas = element("canvas", { class: "plot", tabindex: 0, role: "img" });
  const tip = element("p", { class: "tip", "aria-hidden": "true", hidden: true });
  const said = element("p", { class: "sr", "aria-live": "polite" });
  const hint = element("p", { class: "hint" });
  let listed = [];
  let listedBy = null;
  let places = [];
  let drawn = null;
  let drawnBy = null;
  let asked = false;
  let isInSight = false;
  const ground = element("canvas"); // all but the chosen circle

  const measures = () => [across, up].map(({ select }) => all.find(({ key }) => key === select.value));

  for (const { select } of [across, up]) {
    select.addEventListener("change", () => state.set({ cross: JSON.stringify([across.select.value, up.select.value]) }));
  }

  function update() {
    if (levels.key() !== listedBy) {
      listedBy = levels.key();
      listed = model.topics.name.flatMap((_, at) => (levels.shows(at) ? [at] : []));
    }
    const keys = crossedIn(state.get().cross, all) ?? usual;
    [across.select.value, up.select.value] = keys;
    const both = measures();
    places = listed.filter((at) => both.every((measure) => measure.of(at) !== null));
    hint.textContent = `${count(places.length)} of ${count(listed.length)} topics show both figures.`;
    canvas.setAttribute("aria-label", `Topics by ${both.map(({ title }) => title).join(" and ")}. Arrow keys go from topic to topic.`);
    draw();
  }

  function draw() {
    if (asked || !isInSight) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      const width = canvas.clientWidth;
      if (!width) return;
      const style = getComputedStyle(document.documentElement);
      const ink = Object.fromEntries(["ink", "soft", "line", "bar", "sheet", "accent", "sans"].map((name) => [name, style.getPropertyValue(`--${name}`)]));
      const key = JSON.stringify([listedBy, across.select.value, up.select.value, width, devicePixelRatio, ink.ink]);
      if (key !== drawnBy) {
        drawnBy = key;
        drawn = plotOf(model, places, measures(), width, PLOT_HEIGHT);
        paintPlot(penOn(ground, drawn), drawn, ink);
      }
      const pen = penOn(canvas, drawn);
      pen.drawImage(ground, 0, 0, drawn.width, drawn.height);
      paintChosen(pen, drawn.circles.find(({ at }) => at === page.chosen()), ink);
    });
  }

  function hit(event) {
    if (!drawn) return null;
    const frame = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let best = null;
    let least = REACH;
    for (const circle of drawn.circles) {
      const beyond = Math.hypot(circle.x - x, circle.y - y) - circle.r;
      if (beyond < least) [best, least] = [circle, Math.max(beyond, -circle.r)];
    }
    return best;
  }

  const told = (at) => measures().map((measure) => `${measure.title}: ${measure.format(measure.of(at))}`).join(" · ");

  canvas.addEventListener("pointermove", (event) => {
    const circle = hit(event);
    tip.hidden = circle === null;
    canvas.classList.toggle("on-topic", circle !== null);
    if (circle === null) return;
    tip.replaceChildren(foreign("b", model.topics.name[circle.at]), ` ${count(model.topics.window_conversations[circle.at])} conversations · ${told(circle.at)}`);
    tip.style.left = `${Math.max(0, Math.min(circle.x + 12, canvas.clientWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(0, circle.y - circle.r - tip.offsetHeight - 6)}px`;
  });
  canvas.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });
  canvas.addEventListener("click", (event) => {
    const circle = hit(event);
    if (circle) page.choose(circle.at, true);
  });

  // The next topic to the right or left, or up or down.
  const steps = { ArrowRight: ["x", 1], ArrowLeft: ["x", -1], ArrowUp: ["y", -1], ArrowDown: ["y", 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && page.chosen() !== null) page.choose(page.chosen(), true);
    else if (steps[event.key] && drawn?.circles.length) {
      const [side, way] = steps[event.key];
      const order = [...drawn.circles].sort((a, b) => way * (a[side] - b[side]) || a.at - b.at);
      const next = order[order.findIndex(({ at }) => at === page.chosen()) + 1];
      if (!next) return;
      said.textContent = `${model.topics.name[next.at]}. ${told(next.at)}`;
      page.choose(next.at);
    } else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(canvas);
  new IntersectionObserver(([{ isIntersecting }]) => {
    isInSight = isIntersecting;
    draw();
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  byId("theme").addEventListener("click", draw);

  return {
    parts: [
      element("h2", {}, "Two figures of each topic"),
      element("div", { class: "picks" }, ...[across, up].map(({ text, select }) => labelled(text, select))),
      hint,
      element("div", { class: "map-frame" }, canvas, tip),
      element("p", { class: "note" }, "A circle is a topic, as large as its conversations. Only each figure's own shares are published, not which conversations have both: where circles lie says how topics differ, and nothing about single conversations."),
      said,
    ],
    update,
    measures,
    picture: () => (places.length ? savedPlot(model, places, measures()) : null),
  };
}

function measureChoice(all) {
  const groups = new Map();
  for (const { key, title, group } of all) {
    if (!groups.has(group)) groups.set(group, element("optgroup", { label: group }));
    groups.get(group).append(foreign("option", title, { value: key }));
  }
  return element("select", {}, ...groups.values());
}

// Numbers that facets tell, where there are two; else other figures of facets.
function usuallyCrossed(all) {
  const isMean = ({ key }) => key.startsWith("mean:");
  const own = all.filter(({ key }) => key.startsWith("value:"));
  return [...all.filter(isMean), ...own, ...all].slice(0, 2).map(({ key }) => key);
}

// Two keys of measures from the address; null where it names none.
function crossedIn(text, all) {
  try {
    const keys = JSON.parse(text);
    const isKnown = (key) => all.some((measure) => measure.key === key);
    return Array.isArray(keys) && keys.length === 2 && keys.every(isKnown) ? keys : null;
  } catch {
    return null;
  }
}

// Circles, the largest first, and both axes, in pixels.
function plotOf(model, places, [across, up], width, height) {
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

function penOn(canvas, { width, height }) {
  const sharp = devicePixelRatio || 1;
  canvas.width = Math.round(width * sharp);
  canvas.height = Math.round(height * sharp);
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  return pen;
}

function paintPlot(pen, { circles, x, y, xAt, yAt, titles, width, height }, ink) {
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

function paintChosen(pen, marked, ink) {
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

function savedPlot(model, places, both) {
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
