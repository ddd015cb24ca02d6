// Figures of a topic that views sort, colour and cross topics by. All are published ones, or a mean of published shares.

import { element, foreign } from "./dom.js";
import { titleOf, valuesShown, wordFor } from "./facets.js";
import { FEW, change, count, decimal, language, percent } from "./format.js";
import { decoded, rowsOf, shareOf } from "./model.js";

const RANGE = /^(-?[\d.]+) to (-?[\d.]+)$/;
const BELOW = /^<(-?[\d.]+)$/;
const NUMBER = /^(-?[\d.]+)\+?$/;

// What a value of a numeric facet stands for: the middle of "2 to 5", 10 of "10+"; null where it is not a number.
export function numberOf(value) {
  const range = RANGE.exec(value);
  if (range) return (Number(range[1]) + Number(range[2])) / 2;
  const below = BELOW.exec(value);
  if (below) return Number(below[1]) / 2;
  const number = NUMBER.exec(value);
  return number ? Number(number[1]) : null;
}

// A share of each topic's rows in a table, found by a column's value; null where it is not shown.
function sharesBy(model, table, isWanted) {
  const shares = new Array(model.size).fill(null);
  for (let at = 0; at < model.size; at += 1) {
    const [from, to] = rowsOf(table, at);
    for (let row = from; row < to; row += 1) if (isWanted(row)) shares[at] = shareOf(table, row);
  }
  return shares;
}

function means(model, facet) {
  const table = model.facets;
  const place = table.facet.values.indexOf(facet);
  const numbers = table.value.values.map(numberOf);
  const found = new Array(model.size).fill(null);
  for (let at = 0; at < model.size; at += 1) {
    const [from, to] = rowsOf(table, at);
    let sum = 0;
    let weight = 0;
    for (let row = from; row < to; row += 1) {
      const share = shareOf(table, row);
      if (table.facet.of[row] !== place || share === null) continue;
      sum += share * numbers[table.value.of[row]];
      weight += share;
    }
    if (weight > 0) found[at] = sum / weight;
  }
  return found;
}

const shownOr = (format) => (value) => (value === null ? FEW : format(value));

// Every measure: { key, title, group, of(at), format(value), middle? }. `middle` is where it neither rises nor falls.
export function measuresOf(model) {
  if (!measuresIn.has(model)) measuresIn.set(model, measuresMade(model));
  return measuresIn.get(model);
}

const measuresIn = new WeakMap();

function measuresMade(model) {
  const { topics } = model;
  const made = [
    { key: "size", title: `Conversations in ${model.release.window.days} days`, group: "Topics", values: () => topics.window_conversations, format: count },
    { key: "share", title: "Share of the day", group: "Topics", values: () => topics.share, format: percent },
    { key: "growth", title: "Growth against the day before", group: "Topics", values: () => topics.growth, format: shownOr(change), middle: 0 },
  ];
  for (const code of model.languages.language.values) {
    const place = model.languages.language.values.indexOf(code);
    const values = () => sharesBy(model, model.languages, (row) => model.languages.language.of[row] === place);
    made.push({ key: `language:${code}`, title: `Share in ${language(code)}`, group: "Languages", values, format: percent });
  }
  for (const { facet, values: all } of valuesShown(model.facets)) {
    const group = titleOf(facet);
    if (all.every((value) => numberOf(value) !== null)) {
      made.push({ key: `mean:${facet}`, title: `${group}: about, on average`, group, values: () => means(model, facet), format: shownOr(decimal) });
    }
    for (const value of all) {
      const values = () =>
        sharesBy(model, model.facets, (row) => decoded(model.facets.facet, row) === facet && decoded(model.facets.value, row) === value);
      made.push({ key: `value:${JSON.stringify([facet, value])}`, title: `${group}: ${wordFor(facet, value)}`, group, values, format: percent });
    }
  }
  return made.map((measure) => {
    let values = null;
    return { ...measure, of: (at) => (values ??= measure.values())[at] };
  });
}

// Options of a select for measures, in their groups.
export function measureOptions(measures) {
  const groups = new Map();
  for (const { key, title, group } of measures) {
    if (!groups.has(group)) groups.set(group, element("optgroup", { label: group }));
    groups.get(group).append(foreign("option", title, { value: key }));
  }
  return [...groups.values()];
}
