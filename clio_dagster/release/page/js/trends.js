// Topics over days: a chart of those compared, above a list with the new ones first, then those that grow.

import { element, foreign, shape } from "./dom.js";
import { change, dayAndMonth, percent } from "./format.js";
import { LINES, linesChart, runs } from "./lines.js";
import { rowsOf, sharesByDay } from "./model.js";
import { clipped, picture, words } from "./pictures.js";
import { heading, makeLevels, makeTopicRows, topicHeading } from "./rows.js";

const USUALLY_COMPARED = 4;
const NO_TOPIC = "none";
const CHART_HEIGHT = 300;
const SAVED_TRENDS = [1120, 520];
const SPARK = [96, 22];

export const trendsView = {
  name: "trends",
  title: "Trends",
  make(host, page) {
    const { model, state } = page;
    const { dates } = model.trends;
    const births = birthsOf(model);
    const listed = topicsOverDays(model, births);
    const span = { first: model.release.window.first, last: model.release.date };
    const levels = makeLevels(page);
    const chart = shape("svg", { class: "lines", role: "img" });
    const frame = element("div", { class: "lines-frame", tabindex: 0, role: "slider", "aria-label": "Day", "aria-valuemin": 0, "aria-valuemax": dates.length - 1 }, chart);
    const date = element("b", {});
    const legend = element("ul", { class: "lines-legend" });
    const said = element("p", { class: "sr", "aria-live": "polite" });
    const hint = element("p", { class: "hint" });
    const rows = makeTopicRows(page, "Topics over days", (at) => trendCells(model, at, births));
    rows.head.append(heading("Compare"), heading("Topic"), heading("Days"), heading("Share of the day"), heading("Growth"));
    host.append(
      element("figure", { class: "lines-figure", hidden: !listed.length }, frame, element("figcaption", {}, element("p", { class: "lines-day" }, date), legend)),
      said,
      element("div", { class: "picks" }, levels.field, hint),
      ...rows.parts,
      element("p", { class: "note" }, "Lines are shares of each day's conversations, broken where a day's share is not shown. Growth is against the published day before; new is a topic that was not there before, beyond chance, and a ring the day it was. Arrow keys move over the chart's days."),
    );
    let shown = null;
    let drawn = null;
    let lines = [];
    let at = null;
    let day = Math.max(0, dates.length - 1);

    function compared() {
      const { compare } = state.get();
      if (!compare) return rows.listed().slice(0, USUALLY_COMPARED);
      const places = [...new Set(compare.split(" "))].map(model.find);
      return places.filter((place) => place >= 0 && model.topics.clustered_by[place] === page.by()).slice(0, LINES.length);
    }

    function update() {
      levels.update();
      if (levels.key() !== shown) {
        shown = levels.key();
        rows.show(listed.filter(levels.shows));
      } else rows.mark();
      const places = compared();
      lines = places.map((place) => ({ at: place, name: model.topics.name[place], shares: sharesByDay(model.trends, place), births: births.get(place) ?? [] }));
      hint.textContent = `${places.length} compared, of at most ${LINES.length}`;
      tick(places);
      draw();
    }

    function tick(places) {
      for (const box of rows.body.querySelectorAll("input")) {
        box.checked = places.includes(Number(box.value));
        box.disabled = !box.checked && places.length >= LINES.length;
      }
    }

    function draw() {
      const width = frame.clientWidth;
      if (!width) return;
      const key = JSON.stringify([lines.map((line) => line.at), width]);
      if (key === drawn) return;
      drawn = key;
      chart.setAttribute("viewBox", `0 0 ${width} ${CHART_HEIGHT}`);
      chart.setAttribute("aria-label", lines.length ? `Shares over days of ${lines.map(({ name }) => name).join("; ")}` : "No topic is compared");
      at = linesChart(lines, dates, span, width, CHART_HEIGHT);
      chart.replaceChildren(...at.parts);
      legend.replaceChildren(...lines.map(({ name }, place) => element("li", {}, swatch(place), foreign("span", name, { class: "name" }), element("span", { class: "value" }))));
      pointTo(day);
    }

    // The day under the cursor, and each line's share on it.
    function pointTo(next) {
      if (!dates.length) return;
      day = next;
      const shares = lines.map((line) => line.shares[day]);
      date.textContent = dayAndMonth(dates[day]);
      legend.querySelectorAll(".value").forEach((value, place) => {
        value.textContent = percent(shares[place]);
        value.classList.toggle("few", shares[place] === null);
      });
      frame.setAttribute("aria-valuenow", day);
      frame.setAttribute("aria-valuetext", dayAndMonth(dates[day]));
      chart.querySelector(".cursor")?.remove();
      const x = at.x(day).toFixed(1);
      const marks = shares.flatMap((share, place) => (share === null ? [] : [shape("circle", { cx: x, cy: at.y(share).toFixed(1), r: 4, fill: LINES[place].color })]));
      chart.append(shape("g", { class: "cursor" }, shape("line", { x1: x, x2: x, y1: at.top, y2: at.ground }), ...marks));
    }

    function say() {
      said.textContent = `${dayAndMonth(dates[day])}: ${lines.map(({ name, shares }) => `${name} ${percent(shares[day])}`).join(", ")}`;
    }

    frame.addEventListener("pointermove", (event) => {
      const next = at.nearest(event.clientX - frame.getBoundingClientRect().left);
      if (next !== day) pointTo(next);
    });
    const moves = { ArrowLeft: () => day - 1, ArrowDown: () => day - 1, ArrowRight: () => day + 1, ArrowUp: () => day + 1, Home: () => 0, End: () => dates.length - 1 };
    frame.addEventListener("keydown", (event) => {
      if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      pointTo(Math.max(0, Math.min(dates.length - 1, moves[event.key]())));
      say();
    });
    rows.body.addEventListener("change", ({ target }) => {
      const places = compared().filter((place) => place !== Number(target.value));
      if (target.checked) places.push(Number(target.value));
      state.set({ compare: places.map((place) => model.topics.topic[place]).join(" ") || NO_TOPIC }, true);
    });
    rows.onMore(() => tick(compared()));
    new ResizeObserver(draw).observe(frame);

    return { update, focus: rows.focus, table: () => trendTable(model, rows.listed()), picture: () => (lines.length ? savedTrends(lines, dates, span) : null) };
  },
};

// Days on which each topic was new, as places of the dates.
function birthsOf({ trends }) {
  const found = new Map();
  trends.births.at.forEach((at, row) => found.set(at, [...(found.get(at) ?? []), trends.births.day[row]]));
  return found;
}

const isNew = ({ topics }, at) => topics.event[at] === "birth";

// Topics with a line or a birth: those new this day, then those that grow, then the rest as they come, by size.
function topicsOverDays(model, births) {
  const { trends, topics } = model;
  const found = [];
  for (let at = 0; at < model.size; at += 1) {
    const [from, to] = rowsOf(trends, at);
    let published = 0;
    for (let row = from; row < to; row += 1) if (trends.share[row] !== null) published += 1;
    if (published > 1 || births.has(at)) found.push(at);
  }
  const rise = (at) => Math.max(0, topics.growth[at] ?? 0);
  const size = (at) => topics.window_conversations[at] ?? -1;
  return found.sort((a, b) => isNew(model, b) - isNew(model, a) || rise(b) - rise(a) || size(b) - size(a));
}

function trendCells(model, at, births) {
  const { topics, trends } = model;
  const label = `Compare ${topics.name[at]}`;
  const box = element("input", { type: "checkbox", value: at, "aria-label": label });
  const growth = topics.growth[at];
  return [
    element("td", { class: "ticked" }, box),
    topicHeading(model, at),
    element("td", { class: "drawn" }, sparkline(sharesByDay(trends, at), births.get(at) ?? [])),
    element("td", { class: topics.share[at] === null ? "few" : null }, percent(topics.share[at])),
    element("td", {}, isNew(model, at) ? element("span", { class: "new" }, "new") : growth === null ? "" : change(growth)),
  ];
}

function sparkline(shares, births) {
  const [width, height] = SPARK;
  const most = shares.reduce((so, share) => Math.max(so, share ?? 0), 1e-9);
  const x = (day) => 4 + (day / Math.max(1, shares.length - 1)) * (width - 8);
  const y = (share) => height - 4 - (share / most) * (height - 8);
  const alone = shares.flatMap((share, day) => (share !== null && (shares[day - 1] ?? null) === null && (shares[day + 1] ?? null) === null ? [day] : []));
  return shape(
    "svg",
    { class: "spark", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    shape("path", { d: runs(shares, x, y) }),
    ...alone.map((day) => shape("circle", { class: "alone", cx: x(day).toFixed(1), cy: y(shares[day]).toFixed(1), r: 1.5 })),
    ...births.map((day) => shape("circle", { class: "birth", cx: x(day).toFixed(1), cy: y(shares[day] ?? 0).toFixed(1), r: 3 })),
  );
}

function swatch(place) {
  const { color, dashes } = LINES[place];
  return shape("svg", { class: "swatch", viewBox: "0 0 34 8", "aria-hidden": "true" }, shape("line", { x1: 0, x2: 34, y1: 4, y2: 4, stroke: color, "stroke-width": 2.5, "stroke-dasharray": dashes }));
}

function trendTable(model, places) {
  const { topics, trends } = model;
  const columns = ["event", "growth", "window_conversations", "share"];
  return {
    columns: ["topic", "name", ...columns, ...trends.dates],
    rows: places.map((at) => [topics.topic[at], topics.name[at], ...columns.map((name) => topics[name][at]), ...sharesByDay(trends, at)]),
  };
}

function savedTrends(lines, dates, span) {
  const [width, height] = SAVED_TRENDS;
  const { parts } = linesChart(lines, dates, span, width, height);
  const keys = lines.flatMap(({ name }, place) => {
    const y = height + 24 * place + 56;
    const { color, dashes } = LINES[place];
    return [shape("line", { x1: 52, x2: 92, y1: y - 4, y2: y - 4, stroke: color, "stroke-width": 2.5, "stroke-dasharray": dashes }), words(clipped(name, 110), 104, y)];
  });
  const title = words("Share of each day's conversations", 16, 30, { "font-size": 18, "font-family": "serif" });
  return picture(width, height + 24 * lines.length + 52, title, shape("g", { transform: "translate(0 36)" }, ...parts), ...keys);
}
