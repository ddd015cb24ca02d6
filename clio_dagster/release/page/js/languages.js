// One language: the topics in which it is more at home than in all conversations.

import { interval } from "./charts.js";
import { SIGNIFICANT } from "./detail.js";
import { element } from "./dom.js";
import { chance, decimal, language, percent } from "./format.js";
import { decoded, rowsOf, shareOf } from "./model.js";
import { barsPicture } from "./pictures.js";
import { heading, labelled, makeLevels, makeTopicRows, topicHeading } from "./rows.js";

const LIFT = "Lift is a language's share of a topic over its share of all conversations: at 2× it is twice as common there as overall. The range is the lift's 95% interval. p is how often chance alone would bring a difference as large, corrected for the number of comparisons; bold where it is under 0.05.";

export const languagesView = {
  name: "languages",
  title: "Languages",
  make(host, page) {
    const { model, state } = page;
    const table = model.languages;
    const codes = bySize(table);
    const rowIn = new Map();
    const select = element("select", {}, ...codes.map((code) => element("option", { value: code }, language(code))));
    const levels = makeLevels(page);
    const summary = element("p", { class: "hint" });
    const rows = makeTopicRows(page, "Topics by the lift of a language", (at) => liftCells(model, at, rowOf(at)));
    rows.head.append(heading("Topic"), heading("Share there"), heading("Of all"), heading("Lift", { colspan: 3 }), heading("p"));
    host.append(element("div", { class: "picks" }, labelled("Language", select), levels.field), summary, ...rows.parts, element("p", { class: "note" }, LIFT));
    let shown = null;

    select.addEventListener("change", () => state.set({ language: select.value }));

    const rowOf = (at) => rowIn.get(select.value)?.get(at);

    // Where the language is surely at home, by lift; then the rest, by lift.
    function order() {
      if (!rowIn.has(select.value)) rowIn.set(select.value, rowsIn(model, select.value));
      const lift = (at) => table.lift[rowOf(at)];
      const isSure = (at) => lift(at) > 1 && isSignificant(table, rowOf(at));
      const places = [...rowIn.get(select.value).keys()].filter(levels.shows);
      return places.sort((a, b) => isSure(b) - isSure(a) || lift(b) - lift(a));
    }

    function update() {
      levels.update();
      const { language: code } = state.get();
      select.value = codes.includes(code) ? code : codes[0];
      const key = levels.key() + select.value;
      if (key === shown) rows.mark();
      else {
        shown = key;
        const places = order();
        const sure = places.filter((at) => table.lift[rowOf(at)] > 1 && isSignificant(table, rowOf(at))).length;
        summary.textContent = codes.length ? `${language(select.value)} is more common than usual, beyond chance, in ${sure} of ${places.length} topics that show a lift.` : "No topic shows its languages.";
        rows.show(places);
      }
    }

    function liftTable() {
      const columns = ["base_rate", "share", "lift", "lift_low", "lift_high", "p_value"];
      const values = (row) => [decoded(table.base_rate, row), shareOf(table, row), ...columns.slice(2).map((name) => table[name][row])];
      return {
        columns: ["topic", "name", "language", ...columns],
        rows: rows.listed().map((at) => [model.topics.topic[at], model.topics.name[at], select.value, ...values(rowOf(at))]),
      };
    }

    function liftPicture() {
      const most = rows.listed().reduce((so, at) => Math.max(so, table.lift[rowOf(at)]), 0) || 1;
      const bars = rows.listed().map((at) => ({ label: model.topics.name[at], size: table.lift[rowOf(at)] / most, value: `${decimal(table.lift[rowOf(at)])}×` }));
      return bars.length ? barsPicture(`Lift of ${language(select.value)}`, bars) : null;
    }

    return { update, focus: rows.focus, table: liftTable, picture: liftPicture };
  },
};

const isSignificant = (table, row) => table.p_value[row] !== null && table.p_value[row] < SIGNIFICANT;

// Languages, those with the largest share of all conversations first.
function bySize(table) {
  const sizes = new Map(table.language.values.map((code) => [code, -1]));
  table.language.of.forEach((place, row) => {
    const code = table.language.values[place];
    sizes.set(code, Math.max(sizes.get(code), decoded(table.base_rate, row) ?? -1));
  });
  return [...sizes.keys()].sort((a, b) => sizes.get(b) - sizes.get(a) || (a < b ? -1 : 1));
}

// The row of each topic that shows a lift in the language.
function rowsIn(model, code) {
  const table = model.languages;
  const place = table.language.values.indexOf(code);
  const found = new Map();
  for (let at = 0; at < model.size; at += 1) {
    const [from, to] = rowsOf(table, at);
    for (let row = from; row < to; row += 1) if (table.language.of[row] === place && table.lift[row] !== null) found.set(at, row);
  }
  return found;
}

function liftCells(model, at, row) {
  const table = model.languages;
  const [low, high] = [table.lift_low[row], table.lift_high[row]];
  const isSure = isSignificant(table, row);
  const p = table.p_value[row];
  return [
    topicHeading(model, at),
    element("td", {}, percent(shareOf(table, row))),
    element("td", { class: "soft" }, percent(decoded(table.base_rate, row))),
    element("td", { class: isSure ? "drawn tells" : "drawn" }, interval(table.lift[row], low, high)),
    element("td", { class: isSure ? "tells" : null }, `${decimal(table.lift[row])}×`),
    element("td", { class: "soft range" }, low === null || high === null ? "" : `${decimal(low)}–${decimal(high)}`),
    element("td", { class: isSure ? "tells" : null }, p === null ? "" : chance(p)),
  ];
}
