// Topics by facets: a table of one facet's values, and a plot of any two figures, of the same topics.

import { element } from "./dom.js";
import { makeHeat } from "./heat.js";
import { makeLevels } from "./rows.js";
import { makeScatter } from "./scatter.js";

export const facetsView = {
  name: "facets",
  title: "Facets",
  make(host, page) {
    const levels = makeLevels(page);
    const heat = makeHeat(page, levels);
    const crossing = makeScatter(page, levels);
    host.append(
      element("section", { class: "by-facet", "aria-label": "Topics by one facet" }, ...heat.parts),
      element("section", { class: "crossed", "aria-label": "Topics by two figures" }, ...crossing.parts),
    );

    function update() {
      levels.update();
      heat.update();
      crossing.update();
    }

    // The rows of the table, and each topic's two figures.
    function table() {
      const { columns, rows } = heat.table();
      const both = crossing.measures();
      return { columns: [...columns, ...both.map(({ title }) => title)], rows: rows.map((row, place) => [...row, ...both.map((measure) => measure.of(heat.listed()[place]))]) };
    }

    return { update, focus: heat.focus, table, picture: crossing.picture };
  },
};
