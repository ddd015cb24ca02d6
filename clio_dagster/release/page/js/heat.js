// A table of topics and one facet's values, shaded by share.

import { element, foreign } from "./dom.js";
import { titleOf, valuesShown, wordFor } from "./facets.js";
import { FEW, count, language, percent } from "./format.js";
import { languagesBySize } from "./languages.js";
import { rowsOf, shareOf } from "./model.js";
import { heading, labelled, makeTopicRows, topicHeading } from "./rows.js";

const LANGUAGE = "language";
const NOT_PUBLISHED = "–";

export function makeHeat(page, levels) {
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
