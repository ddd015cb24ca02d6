// Puts the page together. The chosen topic is the page's one piece of state, and lives in its address.

import { byId, element } from "./dom.js";
import { renderAbout, renderHead } from "./about.js";
import { renderDetail } from "./detail.js";
import { plural } from "./format.js";
import { readModel } from "./model.js";
import { makeSearch } from "./search.js";
import { makeTheme } from "./theme.js";
import { makeTree } from "./tree.js";

const NARROW = matchMedia("(max-width: 820px)");

function start() {
  const model = readModel();
  makeTheme(byId("theme"));
  renderHead(byId("title"), byId("facts"), byId("notes"), model);

  const panel = byId("detail");
  const field = byId("search");
  const facetChoice = byId("clustered-by");
  let shown = null;

  // `intent`: the reader asked for this topic, so a narrow screen turns to its panel.
  function choose(at, intent) {
    const facet = model.topics.clustered_by[at];
    if (facetChoice.value !== facet) {
      facetChoice.value = facet;
      tree.show(facet);
    }
    if (tree.has(at)) tree.mark(at);
    else tree.reveal(at);
    if (shown !== at) renderDetail(panel, model, at, (above) => reveal(above), close);
    shown = at;
    history.replaceState(null, "", `#topic=${encodeURIComponent(model.topics.topic[at])}`);
    if (intent && NARROW.matches) {
      document.body.classList.add("in-detail");
      panel.querySelector(".back").focus();
    }
  }

  function reveal(at) {
    choose(at, false);
    tree.reveal(at);
  }

  function close() {
    document.body.classList.remove("in-detail");
    if (shown !== null) tree.focus(shown);
  }

  const tree = makeTree(byId("tree"), model, choose);
  const valueChoice = byId("facet-value");
  const search = makeSearch(field, valueChoice, byId("results"), byId("hint"), model, (at) => {
    reveal(at);
    if (NARROW.matches) choose(at, true);
  });
  const narrow = () => {
    byId("tree").hidden = search.update();
  };
  field.addEventListener("input", narrow);
  valueChoice.addEventListener("change", narrow);
  byId("collapse").addEventListener("click", () => tree.collapse());

  const facets = [...new Set(model.roots.map((at) => model.topics.clustered_by[at]))];
  facetChoice.append(...facets.map((facet) => element("option", { value: facet }, `by ${facet}`)));
  facetChoice.hidden = facets.length < 2;
  facetChoice.addEventListener("change", () => showFacet(facetChoice.value));

  function showFacet(facet) {
    tree.show(facet);
    const first = model.roots.find((at) => model.topics.clustered_by[at] === facet);
    if (first === undefined) return;
    choose(first, false);
    tree.open(first);
  }

  function fromAddress() {
    const topic = new URLSearchParams(location.hash.slice(1)).get("topic");
    const at = topic === null ? -1 : model.find(topic);
    if (at >= 0) reveal(at);
    return at >= 0;
  }

  addEventListener("hashchange", fromAddress);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("in-detail")) close();
    else if (event.key === "Escape" && document.activeElement === field) {
      field.value = "";
      narrow();
    } else if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      field.focus();
    }
  });

  byId("heads-window").textContent = `in ${plural(model.release.window.days, "day", "days")}`;
  if (model.size === 0) {
    byId("hint").textContent = "No topic passed the thresholds on this day.";
  } else {
    if (!fromAddress()) showFacet(facets[0]);
    field.placeholder = `Search ${plural(model.size, "topic", "topics")}`;
  }
  renderAbout(byId("about"), model);
}

start();
