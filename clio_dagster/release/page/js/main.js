// Puts the page together: views that share one state, the panel of the chosen topic, and what both are searched by.
//
// A view is { name, title, isWide?, make(host, page) }; what it makes is
//   update()   called when it comes to be shown and on each change while it is,
//   table()    what it shows as { columns, rows },
//   picture()  the same as an SVG element of pictures.js, null where there is none.
// `page` is { model, state, choose(at, intent), chosen(), by(), found(), listFound(found) }: topics are known by their place.

import { aboutView, renderHead } from "./about.js";
import { boxesView } from "./boxes.js";
import { facetsView } from "./crossing.js";
import { renderDetail } from "./detail.js";
import { byId, element } from "./dom.js";
import { plural } from "./format.js";
import { languagesView } from "./languages.js";
import { mapView } from "./map.js";
import { readModel } from "./model.js";
import { csvOf, savePng, saveText, svgText } from "./save.js";
import { makeSearch } from "./search.js";
import { makeState } from "./state.js";
import { makeTheme } from "./theme.js";
import { treeView } from "./tree.js";
import { trendsView } from "./trends.js";

const VIEWS = [treeView, mapView, boxesView, languagesView, trendsView, facetsView, aboutView];
const NARROW = matchMedia("(max-width: 820px)");

function start() {
  const model = readModel();
  makeTheme(byId("theme"));
  renderHead(byId("title"), byId("facts"), byId("notes"), model);
  const panel = byId("detail");
  const field = byId("search");
  const facetChoice = byId("clustered-by");
  const valueChoice = byId("facet-value");
  const trees = [...new Set(model.roots.map((at) => model.topics.clustered_by[at]))];
  const made = new Map();
  let inPanel = null;
  let found = null;
  let foundBy = null;

  const state = makeState(render);
  const page = { model, state, choose, chosen, by, found: () => found, listFound: (list) => search.list(list) };
  const search = makeSearch(field, valueChoice, byId("results"), byId("hint"), model, (at) => choose(at, true));

  function chosen() {
    const at = model.find(state.get().topic);
    return at < 0 ? null : at;
  }

  function by() {
    const at = chosen();
    if (at !== null) return model.topics.clustered_by[at];
    return trees.includes(state.get().by) ? state.get().by : trees[0];
  }

  // `intent`: the reader asked for this topic; it is worth coming back to, and a narrow screen turns to its panel.
  function choose(at, intent = false) {
    state.set({ topic: model.topics.topic[at] }, !intent);
    if (!intent || !NARROW.matches) return;
    document.body.classList.add("in-detail");
    panel.querySelector(".back").focus();
  }

  function close() {
    document.body.classList.remove("in-detail");
    shownView().focus?.();
  }

  function shownView() {
    const view = VIEWS.find(({ name }) => name === state.get().view) ?? VIEWS[0];
    if (!made.has(view.name)) made.set(view.name, { ...view, ...view.make(byId(`view-${view.name}`), page) });
    return made.get(view.name);
  }

  function render() {
    const values = state.get();
    const searched = JSON.stringify([values.q, values.shows]);
    if (searched !== foundBy) {
      foundBy = searched;
      found = search.found(values.q, values.shows);
      search.say(found);
    }
    if (field.value.trim() !== values.q.trim()) field.value = values.q;
    valueChoice.value = values.shows;
    facetChoice.value = by() ?? "";
    const view = shownView();
    for (const { name } of VIEWS) byId(`view-${name}`).hidden = name !== view.name;
    for (const link of byId("views").children) link.setAttribute("aria-current", String(link.dataset.view === view.name));
    document.body.classList.toggle("is-wide", view.isWide === true);
    const at = chosen();
    if (at !== null && at !== inPanel) renderDetail(panel, model, at, (above) => choose(above, true), close);
    inPanel = at;
    view.update();
  }

  byId("views").append(
    ...VIEWS.map(({ name, title }) => {
      const link = element("button", { type: "button", "data-view": name }, title);
      link.addEventListener("click", () => state.set({ view: name }));
      return link;
    }),
  );
  facetChoice.append(...trees.map((facet) => element("option", { value: facet }, `by ${facet}`)));
  facetChoice.hidden = trees.length < 2;
  facetChoice.addEventListener("change", () => {
    const first = model.roots.find((at) => model.topics.clustered_by[at] === facetChoice.value);
    state.set({ by: facetChoice.value, topic: model.topics.topic[first] });
  });
  field.addEventListener("input", () => state.set({ q: field.value }, true));
  valueChoice.addEventListener("change", () => state.set({ shows: valueChoice.value }));
  byId("skip").addEventListener("click", () => field.focus());
  byId("save").addEventListener("click", ({ target }) => {
    if (target.dataset.as) saveView(target.dataset.as);
  });

  function saveView(kind) {
    const view = shownView();
    const name = `topics-${model.release.date}-${view.name}.${kind}`;
    if (kind === "csv") {
      saveText(name, "text/csv;charset=utf-8", csvOf(view.table()));
      return;
    }
    const drawn = view.picture();
    if (!drawn) byId("hint").textContent = "This view has no picture; its rows can be saved as CSV.";
    else if (kind === "svg") saveText(name, "image/svg+xml", svgText(drawn));
    else savePng(name, drawn);
  }

  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("in-detail")) close();
    else if (event.key === "Escape" && document.activeElement === field) state.set({ q: "" }, true);
    else if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      field.focus();
    }
  });

  if (model.size === 0) byId("hint").textContent = "No topic passed the thresholds on this day.";
  else field.placeholder = `Search ${plural(model.size, "topic", "topics")}`;
  if (chosen() === null && trees.length) {
    const first = model.roots.find((at) => model.topics.clustered_by[at] === by());
    state.set({ topic: model.topics.topic[first] }, true);
  } else render();
}

start();
