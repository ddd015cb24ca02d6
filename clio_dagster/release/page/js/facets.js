// What facets and their values are called, and in which order they are shown: known ones, and any other.

import { decoded, rowsOf, shareOf } from "./model.js";

const KNOWN = {
  concerning: { title: "Concern", values: { 1: "1, harmless", 5: "5, grave" } },
  refused: { title: "Refused by the assistant", values: { true: "Refused", false: "Answered" } },
  turns: { title: "Messages in the conversation", values: {} },
  task: { title: "What the assistant was asked to do", values: {} },
};
const ORDER = Object.keys(KNOWN);
const NUMBERED = /^<?-?\d/;
const MOST_LISTED = 50;

// A site's own facet is called what its column is called.
export function titleOf(facet) {
  const words = facet.replaceAll("_", " ");
  return KNOWN[facet]?.title ?? words.charAt(0).toUpperCase() + words.slice(1);
}

export function wordFor(facet, value) {
  return KNOWN[facet]?.values[value] ?? value;
}

export function byTitle(a, b) {
  const place = (facet) => (ORDER.includes(facet) ? ORDER.indexOf(facet) : ORDER.length);
  return place(a) - place(b) || (a < b ? -1 : 1);
}

// Rising where values are numbers, else by how much there is of each.
export function inOrder(values, sizeOf, textOf) {
  const isRising = values.every((each) => NUMBERED.test(textOf(each)));
  return values.sort((a, b) => (isRising ? placeOf(textOf(a)) - placeOf(textOf(b)) : sizeOf(b) - sizeOf(a)));
}

// "<10" comes before "10 to 20".
function placeOf(value) {
  return value.startsWith("<") ? parseFloat(value.slice(1)) - 1e-9 : parseFloat(value);
}

// Every facet with the values that a topic shows, those of most topics where there are many.
export function valuesShown(table) {
  if (!shownIn.has(table)) shownIn.set(table, valuesIn(table));
  return shownIn.get(table);
}

const shownIn = new WeakMap();

function valuesIn(table) {
  const topics = new Map();
  table.value.of.forEach((value, row) => {
    const facet = table.facet.of[row];
    if (!topics.has(facet)) topics.set(facet, new Map());
    topics.get(facet).set(value, (topics.get(facet).get(value) ?? 0) + 1);
  });
  return [...topics.entries()]
    .map(([facet, values]) => {
      const most = [...values.entries()].sort((a, b) => b[1] - a[1]).slice(0, MOST_LISTED);
      const listed = inOrder(most, ([, size]) => size, ([value]) => table.value.values[value]);
      return { facet: table.facet.values[facet], values: listed.map(([value]) => table.value.values[value]) };
    })
    .sort((a, b) => byTitle(a.facet, b.facet));
}

// The share that a value has in each topic which shows it; null where its share is not shown.
export function sharesOf(model, facet, value) {
  const table = model.facets;
  const found = new Map();
  for (let at = 0; at < model.size; at += 1) {
    const [from, to] = rowsOf(table, at);
    for (let row = from; row < to; row += 1) {
      if (decoded(table.facet, row) === facet && decoded(table.value, row) === value) found.set(at, shareOf(table, row));
    }
  }
  return found;
}
