// What is shown, kept in the page's address: a link shares it, and the browser's button walks it back.

const DEFAULTS = {
  view: "tree",
  topic: "", // stable id of the chosen topic
  by: "", // the text facet whose topics are shown
  q: "", // words searched for
  shows: "", // facet and value that topics must show, as a JSON list
  color: "top", // what colours the map
  inside: "", // stable id of the topic that fills the treemap
  level: "", // how deep the topics of a table lie: 0 for the top, "base" for those with none below
  language: "",
  facet: "",
  order: "", // value that the topics of a facet are sorted by
  cross: "", // two measures, as a JSON list
  compare: "", // stable ids, separated by spaces; the first rows where it is empty
};

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, usual]) => [name, given.get(name) ?? usual]));
}

function write(values) {
  const kept = Object.entries(values).filter(([name, value]) => value !== DEFAULTS[name]);
  return `#${new URLSearchParams(kept)}`;
}

// `onChange(values)` is called after each change, whoever made it.
export function makeState(onChange) {
  let values = read();

  // `replaces`: the step before is not one to come back to.
  function set(changes, replaces = false) {
    const next = write({ ...values, ...changes });
    if (next === write(values)) return;
    values = { ...values, ...changes };
    history[replaces ? "replaceState" : "pushState"](null, "", next);
    onChange(values);
  }

  function follow() {
    const found = read();
    if (write(found) === write(values)) return;
    values = found;
    onChange(values);
  }

  addEventListener("popstate", follow);
  addEventListener("hashchange", follow);
  return { get: () => values, set };
}
