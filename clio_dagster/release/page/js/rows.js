// Tables of topics: those of one level that were found, a portion of them at a time.

import { element, foreign } from "./dom.js";
import { plural } from "./format.js";

const ROWS_AT_ONCE = 100;
const LEVELS = ["Top topics", "Second level", "Third level", "Fourth level", "Fifth level", "Sixth level"];
const BASE = "base";

export function labelled(text, control) {
  return element("label", { class: "pick" }, element("span", {}, text), control);
}

// A choice of level. `key()` changes with the topics that `shows(at)` holds for.
export function makeLevels(page) {
  const { model, state } = page;
  const { parent, clustered_by: trees } = model.topics;
  const depths = new Array(model.size);
  const depthOf = (at) => (depths[at] ??= parent[at] === null ? 0 : depthOf(parent[at]) + 1);
  const select = element("select");
  select.addEventListener("change", () => state.set({ level: select.value }));
  let by = null;
  let level = "";
  let found = null;

  function update() {
    found = page.found();
    if (by !== page.by()) {
      by = page.by();
      const deepest = trees.reduce((most, tree, at) => (tree === by ? Math.max(most, depthOf(at)) : most), 0);
      const levels = [];
      for (let depth = 0; depth < deepest; depth += 1) levels.push([String(depth), LEVELS[depth] ?? `Level ${depth + 1}`]);
      const options = [["", "All levels"], ...levels, [BASE, "Base topics"]];
      select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
    }
    const wanted = state.get().level;
    level = [...select.options].some(({ value }) => value === wanted) ? wanted : "";
    select.value = level;
  }

  function shows(at) {
    if (trees[at] !== by || (found && !found.has.has(at))) return false;
    if (level === "") return true;
    return level === BASE ? !model.children(at).length : depthOf(at) === Number(level);
  }

  const key = () => JSON.stringify([by, level, state.get().q, state.get().shows]);
  return { field: labelled("Level", select), update, shows, key };
}

export function heading(text, attributes = {}) {
  return element("th", { scope: "col", ...attributes }, text);
}

export function topicHeading(model, at) {
  return element("th", { scope: "row" }, foreign("button", model.topics.name[at], { type: "button", class: "topic" }));
}

// `cells(at)` makes a topic's cells, its `topicHeading` among them; `head` is the row of headings, to be filled.
export function makeTopicRows(page, label, cells) {
  const head = element("tr");
  const body = element("tbody");
  const table = element("table", {}, element("caption", { class: "sr" }, label), element("thead", {}, head), body);
  const frame = element("div", { class: "scroll rows", tabindex: 0, role: "region", "aria-label": label }, table);
  const none = element("p", { class: "note", hidden: true }, "No topic here has such a figure.");
  const more = element("button", { type: "button", class: "quiet more-rows" });
  let places = [];
  let marked = null;
  let told = () => {};

  function show(next) {
    places = next;
    marked = null;
    body.replaceChildren();
    add();
    frame.scrollTop = 0;
    frame.hidden = !places.length;
    none.hidden = places.length > 0;
    mark();
  }

  function add() {
    const from = body.children.length;
    body.append(...places.slice(from, from + ROWS_AT_ONCE).map((at) => element("tr", { "data-at": at }, ...cells(at))));
    const left = places.length - body.children.length;
    more.hidden = left <= 0;
    more.textContent = `Show ${Math.min(ROWS_AT_ONCE, left)} more of ${plural(left, "topic", "topics")}`;
    return body.children[from];
  }

  const rowOf = (at) => body.querySelector(`[data-at="${at}"]`);

  function mark() {
    marked?.removeAttribute("aria-current");
    marked = rowOf(page.chosen());
    marked?.setAttribute("aria-current", "true");
  }

  more.addEventListener("click", () => {
    const first = add();
    mark();
    told();
    first.querySelector(".topic").focus();
  });
  body.addEventListener("click", (event) => {
    const button = event.target.closest(".topic");
    if (button) page.choose(Number(button.closest("tr").dataset.at), true);
  });

  const focus = () => (marked ?? body.firstElementChild)?.querySelector(".topic").focus();
  return { parts: [frame, none, more], head, body, show, mark, focus, listed: () => places, onMore: (tell) => (told = tell) };
}
