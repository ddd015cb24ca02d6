// The panel of one topic: what it is, its languages against the base rate, its facets, its days.

import { bar, interval, trend } from "./charts.js";
import { element, foreign } from "./dom.js";
import { byTitle, inOrder, titleOf, wordFor } from "./facets.js";
import { FEW, change, count, decimal, language, percent } from "./format.js";
import { decoded, rowsOf, shareOf, sharesByDay } from "./model.js";

export const SIGNIFICANT = 0.05;
const MOST_VALUES = 8;
const MOST_CHILDREN = 8;

export function renderDetail(host, model, at, onChoose, onBack) {
  const back = element("button", { type: "button", class: "back quiet" }, "Back to the topics");
  back.addEventListener("click", onBack);
  host.replaceChildren(
    back,
    pathTo(model, at, onChoose),
    foreign("h2", model.topics.name[at]),
    foreign("p", model.topics.description[at], { class: "description" }),
    figures(model, at),
    ...[below(model, at, onChoose), languages(model, at), ...facets(model, at), days(model, at)].filter(Boolean),
  );
  host.scrollTop = 0;
}

function pathTo(model, at, onChoose) {
  const above = model.path(at).slice(0, -1);
  const line = element("nav", { class: "crumbs", "aria-label": "Topics above" });
  if (!above.length) line.append(element("span", {}, "Top level"));
  above.forEach((node) => {
    const link = foreign("button", model.topics.name[node], { type: "button", class: "link" });
    link.addEventListener("click", () => onChoose(node));
    line.append(link);
  });
  return line;
}

function figures(model, at) {
  const { window_conversations: window, conversations, share, privacy_score: score } = model.topics;
  const below = model.children(at).length;
  const list = element("dl", { class: "figures" });
  const add = (term, value) => list.append(element("div", {}, element("dt", {}, term), element("dd", {}, value)));
  add(`In ${model.release.window.days} days`, count(window[at]));
  add("That day", count(conversations[at]));
  add("Share of the day", share[at] === null ? FEW : percent(share[at]));
  if (score[at] !== null) add("Privacy score", `${score[at]} of 5`);
  if (below) add("Topics below", count(below));
  return list;
}

function below(model, at, onChoose) {
  const children = model.children(at);
  if (!children.length) return null;
  const { name, window_conversations: sizes } = model.topics;
  const most = Math.max(1, sizes[children[0]] ?? 1);
  const list = element("ul", { class: "bars below" });
  for (const child of children.slice(0, MOST_CHILDREN)) {
    const link = foreign("button", name[child], { type: "button", class: "link label" });
    link.addEventListener("click", () => onChoose(child));
    list.append(element("li", {}, link, sizes[child] === null ? element("span", { class: "track none", "aria-hidden": "true" }) : bar(sizes[child] / most), element("span", { class: sizes[child] === null ? "value few" : "value" }, count(sizes[child]))));
  }
  const rest = children.length - MOST_CHILDREN;
  return section("Topics below", "", list, rest > 0 ? element("p", { class: "note" }, `and ${count(rest)} more`) : null);
}

function section(title, note, ...content) {
  return element("section", {}, element("h3", {}, title), note ? element("p", { class: "note" }, note) : null, ...content);
}

function languages(model, at) {
  const table = model.languages;
  const [from, to] = rowsOf(table, at);
  const rows = [];
  for (let row = from; row < to; row += 1) if (shareOf(table, row) !== null) rows.push(row);
  if (!rows.length) return null;
  const most = Math.max(...rows.map((row) => Math.max(shareOf(table, row), decoded(table.base_rate, row) ?? 0)), 1e-9);
  const list = element("ul", { class: "bars languages" });
  for (const row of rows) {
    const base = decoded(table.base_rate, row);
    const lift = table.lift[row];
    const tells = lift !== null && table.p_value[row] !== null && table.p_value[row] < SIGNIFICANT;
    list.append(
      element(
        "li",
        { class: tells ? "tells" : null },
        element("span", { class: "label" }, language(decoded(table.language, row))),
        bar(shareOf(table, row) / most, base === null ? null : base / most),
        element("span", { class: "value" }, percent(shareOf(table, row))),
        element("span", { class: "lift" }, ...liftParts(table, row, tells)),
      ),
    );
  }
  return section("Languages", "The bar is the language's share here, the tick its share of all conversations. × is how many times the usual share, with its 95% interval; bold where chance is an unlikely reason.", list);
}

function liftParts(table, row, tells) {
  const lift = table.lift[row];
  if (lift === null) return [];
  const low = table.lift_low[row];
  const high = table.lift_high[row];
  const words = tells ? element("span", { class: "sr" }, lift > 1 ? "more than usual" : "less than usual") : null;
  const range = low === null || high === null ? "" : `${decimal(low)}–${decimal(high)}`;
  return [interval(lift, low, high), element("b", {}, `${decimal(lift)}×`), element("small", {}, range), words].filter(Boolean);
}

function facets(model, at) {
  const table = model.facets;
  const [from, to] = rowsOf(table, at);
  const byFacet = new Map();
  for (let row = from; row < to; row += 1) {
    const facet = decoded(table.facet, row);
    if (facet === "language") continue;
    if (!byFacet.has(facet)) byFacet.set(facet, []);
    byFacet.get(facet).push({ value: decoded(table.value, row), conversations: table.conversations[row], share: shareOf(table, row) });
  }
  return [...byFacet.entries()].sort(([a], [b]) => byTitle(a, b)).map(([facet, values]) => oneFacet(facet, values));
}

function oneFacet(facet, values) {
  inOrder(values, ({ share }) => share ?? -1, ({ value }) => value);
  const list = element("ul", { class: "bars" });
  for (const { value, conversations, share } of values.slice(0, MOST_VALUES)) {
    list.append(
      element(
        "li",
        {},
        foreign("span", wordFor(facet, value), { class: "label" }),
        share === null ? element("span", { class: "track none", "aria-hidden": "true" }) : bar(share),
        element("span", { class: share === null ? "value few" : "value" }, share === null ? FEW : percent(share)),
        element("span", { class: "number" }, conversations === null ? "" : count(conversations)),
      ),
    );
  }
  const rest = values.length - MOST_VALUES;
  return section(titleOf(facet), "", list, rest > 0 ? element("p", { class: "note" }, `and ${count(rest)} more`) : null);
}

function days(model, at) {
  const { dates } = model.trends;
  const shares = sharesByDay(model.trends, at);
  const shown = shares.filter((share) => share !== null).length;
  if (!shown) return null;
  if (shown === 1) return section("Over time", "One published day so far; a line appears with the second.");
  const growth = model.topics.growth[at];
  const note = "Share of a day's conversations" + (growth === null ? "." : `; conversations ${change(growth)} against the published day before.`);
  return section("Over time", note, trend(dates, shares));
}
