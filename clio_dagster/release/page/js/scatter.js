// Topics by any two figures: two choices, and a plot that names, chooses and walks its circles.

import { byId, element, foreign } from "./dom.js";
import { count } from "./format.js";
import { measureOptions, measuresOf } from "./measures.js";
import { circleAt, paintChosen, paintPlot, penOn, plotOf, savedPlot } from "./plot.js";
import { labelled } from "./rows.js";

const PLOT_HEIGHT = 440;

export function makeScatter(page, levels) {
  const { model, state } = page;
  const all = measuresOf(model);
  const usual = usuallyCrossed(all);
  const [across, up] = ["Across", "Up"].map((text) => ({ text, select: element("select", {}, ...measureOptions(all)) }));
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

  const hit = (event) => (drawn ? circleAt(drawn.circles, canvas, event) : null);

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
