// Search over names and descriptions, where case and accents do not matter and every word must occur; and the topics
// that show a value of a facet, the largest share first.

import { element, foreign } from "./dom.js";
import { sharesOf, titleOf, valuesShown, wordFor } from "./facets.js";
import { count, percent, plural } from "./format.js";

const MOST_SHOWN = 200;

function folded(text) {
  return text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase();
}

// `found(query, shows)`: the topics, best first, with what share of each shows the value; null where neither is given.
// `has` are those topics, `leads` they and all above them.
// `list(found)` shows them.
export function makeSearch(field, choice, results, hint, model, onChoose) {
  let texts = null;
  const trees = new Set(model.topics.clustered_by).size;
  const choices = offer(choice, model);

  function matches(query) {
    texts ??= model.topics.name.map((name, at) => folded(`${name}\n${model.topics.description[at]}`));
    const words = folded(query).split(/\s+/).filter(Boolean);
    const found = [];
    texts.forEach((text, at) => {
      if (words.every((word) => text.includes(word))) found.push(at);
    });
    const named = (at) => words.every((word) => folded(model.topics.name[at]).includes(word));
    return found.map((at) => [named(at) ? 0 : 1, at]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, at]) => at);
  }

  function result(at, size) {
    const above = model.path(at).slice(0, -1).map((node) => model.topics.name[node]);
    if (trees > 1) above.unshift(`by ${model.topics.clustered_by[at]}`);
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", "data-at": at },
        foreign("span", model.topics.name[at], { class: "name" }),
        element("span", { class: "size" }, size),
        foreign("span", above.join(" › ") || "Top level", { class: "path" }),
      ),
    );
  }

  function found(query, shows) {
    const words = query.trim();
    const chosen = choices.get(shows);
    if (!words && !chosen) return null;
    const shares = chosen ? sharesOf(model, chosen.facet, chosen.value) : null;
    let order = words ? matches(words) : [...shares.keys()];
    if (shares) order = order.filter((at) => shares.has(at)).sort((a, b) => (shares.get(b) ?? -1) - (shares.get(a) ?? -1));
    return { order, shares, chosen, has: new Set(order), leads: new Set(order.flatMap((at) => model.path(at))) };
  }

  function say(found) {
    if (!found) {
      hint.textContent = "";
      return;
    }
    const { order, shares, chosen } = found;
    const rest = order.length > MOST_SHOWN ? `, the first ${MOST_SHOWN} shown` : "";
    const by = shares ? ", the largest share of it first" : "";
    const about = shares ? `${titleOf(chosen.facet)}: ${wordFor(chosen.facet, chosen.value)}. ` : "";
    hint.textContent = about + (order.length ? `${plural(order.length, "topic", "topics")} found${rest}${by}` : `No topic${shares ? " that shows it" : ""} has these words in its name or description.`);
  }

  function list(found) {
    results.hidden = !found;
    if (!found) {
      results.replaceChildren();
      return;
    }
    const { order, shares } = found;
    const sizeOf = (at) => (shares ? percent(shares.get(at)) : count(model.topics.window_conversations[at]));
    results.replaceChildren(...order.slice(0, MOST_SHOWN).map((at) => result(at, sizeOf(at))));
  }

  const buttons = () => [...results.querySelectorAll("button")];

  results.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) onChoose(Number(button.dataset.at));
  });
  results.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = buttons();
    (all[all.indexOf(document.activeElement) + step] ?? (step < 0 ? field : null))?.focus();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && !results.hidden) {
      event.preventDefault();
      buttons()[0]?.focus();
    }
  });
  return { found, say, list };
}

// A choice for every value that a topic shows; what each stands for, by its text in the address.
function offer(choice, model) {
  const choices = new Map();
  choice.append(element("option", { value: "" }, "Every topic"));
  for (const { facet, values } of valuesShown(model.facets)) {
    const group = element("optgroup", { label: titleOf(facet) });
    for (const value of values) {
      const text = JSON.stringify([facet, value]);
      choices.set(text, { facet, value });
      group.append(foreign("option", wordFor(facet, value), { value: text }));
    }
    choice.append(group);
  }
  choice.hidden = choices.size === 0;
  return choices;
}
