// The release as the page reads it: topics by their place, their children, and each topic's own rows.

import { byId } from "./dom.js";

export function readModel() {
  const data = JSON.parse(byId("data").textContent);
  const { topics } = data;
  const children = topics.name.map(() => null);
  const roots = [];
  // Topics come in order of size within a level, so children do too.
  topics.parent.forEach((parent, at) => {
    if (parent === null) roots.push(at);
    else (children[parent] ??= []).push(at);
  });
  return {
    ...data,
    size: topics.name.length,
    roots,
    children: (at) => children[at] ?? [],
    path: (at) => {
      const path = [];
      for (let node = at; node !== null; node = topics.parent[node]) path.unshift(node);
      return path;
    },
    find: (topic) => topics.topic.indexOf(topic),
  };
}

// First and last row (exclusive) of a topic in a table about topics.
export function rowsOf(table, at) {
  return [table.from[at], table.from[at + 1]];
}

// Shares of these tables are whole hundred-thousandths.
export function shareOf(table, row) {
  const share = table.share[row];
  return share === null ? null : share / 100000;
}

export function decoded(column, row) {
  return column.of[row] === null ? null : column.values[column.of[row]];
}

// A topic's share on every date of the trends; null where none is shown.
export function sharesByDay(trends, at) {
  const [from, to] = rowsOf(trends, at);
  const shares = trends.dates.map(() => null);
  for (let row = from; row < to; row += 1) shares[trends.first[at] + row - from] = shareOf(trends, row);
  return shares;
}
