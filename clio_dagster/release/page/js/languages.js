// One language: the topics in which it is more at home than in all conversations.

import { interval } from "./charts.js";
import { SIGNIFICANT } from "./detail.js";
import { element } from "./dom.js";
import { chance, count, decimal, language, percent, plural } from "./format.js";
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
    const codes = languagesBySize(table);
    const rowIn = new Map();
    const select = element("select", {}, ...codes.map((code) => element("option", { value: code }, language(code))));
    const levels = makeLevels(page);
    const summary = element("p", { class: "hint" });
    const rows = makeTopicRows(page, "Topics by the lift of a language", (at) => liftCells(model, at, rowOf(at)));
    rows.head.append(heading("Topic"), heading("Share there"), heading("Of all"), heading("Lift", { colspan: 3, class: "middle" }), heading("p"));
    host.append(element("div", { class: "picks" }, labelled("Language", select), levels.field), summary, ...rows.parts, element("p", { class: "note" }, LIFT));
    let code = codes[0];
    let shown = null;

    select.addEventListener("change", () => state.set({ language: select.value }));

    const rowOf = (at) => rowIn.get(code)?.get(at);

    // Where the language is surely at home, by lift; then the rest, by lift.
    function order() {
      if (!rowIn.has(code)) rowIn.set(code, rowsIn(model, code));
      const found = [...rowIn.get(code)].filter(([at]) => levels.shows(at));
      const ranked = found.map(([at, row]) => ({ at, lift: table.lift[row], isSure: table.lift[row] > 1 && isSignificant(table, row) }));
      return ranked.sort((a, b) => b.isSure - a.isSure || b.lift - a.lift);
    }

    function update() {
      levels.update();
      const wanted = state.get().language;
      code = codes.includes(wanted) ? wanted : codes[0];
      select.value = code;
      const key = levels.key() + code;
      if (key === shown) rows.mark();
      else {
        shown = key;
        const ranked = order();
        const sure = ranked.filter(({ isSure }) => isSure).length;
        summary.textContent = codes.length ? `${language(code)} is more common than usual, beyond chance, in ${count(sure)} of ${plural(ranked.length, "topic", "topics")} with a lift.` : "No topic shows its languages.";
        rows.show(ranked.map(({ at }) => at));
      }
    }

    function liftTable() {
      const columns = ["base_rate", "share", "lift", "lift_low", "lift_high", "p_value"];
      const values = (row) => [decoded(table.base_rate, row), shareOf(table, row), ...columns.slice(2).map((name) => table[name][row])];
      return {
        columns: ["topic", "name", "language", ...columns],
        rows: rows.listed().map((at) => [model.topics.topic[at], model.topics.name[at], code, ...values(rowOf(at))]),
      };
    }

    function liftPicture() {
      const most = rows.listed().reduce((so, at) => Math.max(so, table.lift[rowOf(at)]), 0) || 1;
      const bars = rows.listed().map((at) => ({ label: model.topics.name[at], size: table.lift[rowOf(at)] / most, value: `${decimal(table.lift[rowOf(at)])}×` }));
      return bars.length ? barsPicture(`Lift of ${language(code)}`, bars) : null;
    }

    return { update, focus: rows.focus, table: liftTable, picture: liftPicture };
  },
};

const isSignificant = (table, row) => table.p_value[row] !== null && table.p_value[row] < SIGNIFICANT;

// Languages, those with the largest share of all conversations first.
export function languagesBySize(table) {
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
    element("td", { class: isSure ? null : "soft" }, p === null ? "" : chance(p)),
  ];
}
