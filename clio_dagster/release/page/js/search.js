// Search over names and descriptions: case and accents do not matter, every word must occur.

import { element, foreign } from "./dom.js";
import { count, plural } from "./format.js";

const MOST_SHOWN = 200;

function folded(text) {
  return text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase();
}

export function makeSearch(field, results, hint, model, onChoose) {
  let texts = null;

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

  function result(at) {
    const above = model.path(at).slice(0, -1).map((node) => model.topics.name[node]);
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", "data-at": at },
        foreign("span", model.topics.name[at], { class: "name" }),
        element("span", { class: "size" }, count(model.topics.window_conversations[at])),
        foreign("span", above.join(" › ") || "Top level", { class: "path" }),
      ),
    );
  }

  function update() {
    const query = field.value.trim();
    results.hidden = query === "";
    results.replaceChildren();
    if (query === "") {
      hint.textContent = "";
      return false;
    }
    const found = matches(query);
    results.append(...found.slice(0, MOST_SHOWN).map(result));
    const rest = found.length > MOST_SHOWN ? `, the first ${MOST_SHOWN} shown` : "";
    hint.textContent = found.length ? `${plural(found.length, "topic", "topics")} found${rest}` : "No topic has these words in its name or description.";
    return true;
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
  return { update };
}
