// The tree: rows are made when their parent is opened, in portions, so that ten thousand topics cost nothing
// until they are looked at. Follows the ARIA pattern for trees: one tab stop, arrows move.

import { bar } from "./charts.js";
import { byId, element, foreign } from "./dom.js";
import { count, percent, plural } from "./format.js";
import { barsPicture } from "./pictures.js";

const PORTION = 200;

export const treeView = {
  name: "tree",
  title: "Tree",
  make(host, page) {
    const { model } = page;
    const list = byId("tree");
    const tree = makeTree(list, model, page.choose);
    byId("collapse").addEventListener("click", () => tree.collapse());
    byId("heads-window").textContent = `in ${plural(model.release.window.days, "day", "days")}`;
    let by = null;
    let chosen = null;

    function update() {
      const found = page.found();
      list.hidden = found !== null;
      byId("collapse").hidden = found !== null;
      page.listFound(found);
      if (by !== page.by()) {
        by = page.by();
        chosen = null;
        tree.show(by);
      }
      const at = page.chosen();
      if (at === null || at === chosen) return;
      tree.reveal(at);
      if (chosen === null && model.topics.parent[at] === null) tree.open(at);
      chosen = at;
    }

    function shown() {
      return page.found()?.order ?? tree.visible();
    }

    return { update, focus: () => tree.focus(page.chosen()), table: () => topicTable(model, shown()), picture: () => treePicture(model, shown()) };
  },
};

// What is published of topics, a row each.
export function topicTable(model, shown) {
  const { topics } = model;
  const columns = ["name", "description", "window_conversations", "conversations", "share", "privacy_score"];
  return { columns: ["topic", "level above", ...columns], rows: shown.map((at) => [topics.topic[at], topics.name[topics.parent[at]] ?? null, ...columns.map((name) => topics[name][at])]) };
}

function treePicture(model, shown) {
  const { name, window_conversations: sizes } = model.topics;
  const most = Math.max(1, ...shown.map((at) => sizes[at] ?? 0));
  return barsPicture(
    document.title,
    shown.map((at) => ({ label: name[at], size: sizes[at] === null ? null : sizes[at] / most, value: count(sizes[at]), indent: model.path(at).length - 1 })),
  );
}

export function makeTree(host, model, onChoose) {
  const rows = new Map();
  let chosen = null;
  let roots = model.roots;

  function show(facet) {
    roots = model.roots.filter((at) => model.topics.clustered_by[at] === facet);
    host.replaceChildren();
    rows.clear();
    chosen = null;
    fill(host, roots, 1);
    const first = host.querySelector("[role=treeitem]");
    if (first) first.tabIndex = 0;
  }

  function fill(list, siblings, level, wanted = PORTION) {
    const most = Math.max(1, model.topics.window_conversations[siblings[0]] ?? 1);
    const from = list.querySelectorAll(":scope > [data-at]").length;
    list.querySelector(":scope > .more")?.remove();
    const made = siblings.slice(from, from + wanted).map((at, offset) => row(at, level, siblings.length, from + offset + 1, most));
    list.append(...made);
    const left = siblings.length - from - made.length;
    if (left > 0) list.append(moreRow(list, siblings, level, left));
    return made;
  }

  function row(at, level, of, place, most) {
    const { name, window_conversations: sizes, share, event } = model.topics;
    const isNew = event[at] === "birth";
    const label = foreign("span", name[at], { class: "name" });
    if (isNew) label.append(element("span", { class: "new" }, "new"));
    const below = model.children(at);
    const size = sizes[at];
    const line = element(
      "div",
      { class: "row" },
      element("span", { class: "twisty", "aria-hidden": "true" }),
      label,
      size === null ? element("span", { class: "track none", "aria-hidden": "true" }) : bar(size / most),
      element("span", { class: size === null ? "size few" : "size" }, count(size)),
      element("span", { class: "share" }, share[at] === null ? "" : percent(share[at])),
    );
    const item = element(
      "li",
      {
        role: "treeitem", tabindex: -1, "data-at": at, "aria-level": level, "aria-setsize": of, "aria-posinset": place,
        "aria-selected": "false", "aria-expanded": below.length ? "false" : null,
        "aria-label": `${name[at]}${isNew ? ", new" : ""}, ${size === null ? "few" : count(size)} conversations`,
      },
      line,
    );
    item.style.setProperty("--level", level - 1);
    rows.set(at, item);
    return item;
  }

  function moreRow(list, siblings, level, left) {
    const item = element("li", { role: "treeitem", tabindex: -1, class: "more", "aria-level": level }, element("div", { class: "row" }, `Show ${Math.min(PORTION, left)} more of ${plural(left, "topic", "topics")}`));
    item.style.setProperty("--level", level - 1);
    item.more = () => focus(fill(list, siblings, level)[0]);
    return item;
  }

  function setOpen(item, open) {
    if (!item.hasAttribute("aria-expanded")) return;
    let list = item.querySelector(":scope > ul");
    if (open && !list) {
      list = element("ul", { role: "group" });
      fill(list, model.children(Number(item.dataset.at)), Number(item.getAttribute("aria-level")) + 1);
      item.append(list);
    }
    item.setAttribute("aria-expanded", String(open));
    if (list) list.hidden = !open;
  }

  const isOpen = (item) => item.getAttribute("aria-expanded") === "true";

  function mark(at) {
    if (chosen !== null) rows.get(chosen)?.setAttribute("aria-selected", "false");
    chosen = at;
    const item = rows.get(at);
    item.setAttribute("aria-selected", "true");
    setTabStop(item);
    return item;
  }

  function setTabStop(item) {
    for (const other of host.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    item.tabIndex = 0;
  }

  function focus(item) {
    if (!item) return;
    setTabStop(item);
    item.focus({ preventScroll: true });
    item.querySelector(".row").scrollIntoView({ block: "nearest" });
    if (item.dataset.at !== undefined) onChoose(Number(item.dataset.at), false);
  }

  // Open what lies above a topic, make its row if it is beyond the first portion, and mark it.
  function reveal(at) {
    const path = model.path(at);
    path.forEach((node, depth) => {
      if (!rows.has(node)) {
        const above = depth ? rows.get(path[depth - 1]) : null;
        const siblings = above ? model.children(path[depth - 1]) : roots;
        const list = above ? above.querySelector(":scope > ul") : host;
        fill(list, siblings, depth + 1, siblings.indexOf(node) + 1);
      }
      if (depth < path.length - 1) setOpen(rows.get(node), true);
    });
    const item = mark(at);
    item.querySelector(".row").scrollIntoView({ block: "nearest" });
  }

  function collapse() {
    for (const item of host.querySelectorAll('[aria-expanded="true"]')) setOpen(item, false);
    if (chosen === null) return;
    const top = model.path(chosen)[0];
    onChoose(top, false);
  }

  function visible() {
    return [...host.querySelectorAll("[role=treeitem]")].filter((item) => !item.parentElement.closest("ul[hidden]"));
  }

  function next(item) {
    const child = isOpen(item) ? item.querySelector(":scope > ul > li") : null;
    if (child) return child;
    for (let node = item; node; node = node.parentElement.closest("[role=treeitem]")) {
      if (node.nextElementSibling) return node.nextElementSibling;
    }
    return null;
  }

  function previous(item) {
    let node = item.previousElementSibling;
    if (!node) return item.parentElement.closest("[role=treeitem]");
    while (isOpen(node)) node = node.querySelector(":scope > ul").lastElementChild;
    return node;
  }

  const keys = {
    ArrowDown: (item) => focus(next(item)),
    ArrowUp: (item) => focus(previous(item)),
    ArrowRight: (item) => (isOpen(item) ? focus(next(item)) : setOpen(item, true)),
    ArrowLeft: (item) => (isOpen(item) ? setOpen(item, false) : focus(item.parentElement.closest("[role=treeitem]"))),
    Home: () => focus(host.firstElementChild),
    End: () => focus(visible().pop()),
    Enter: activate,
    " ": activate,
  };

  function activate(item) {
    if (item.more) item.more();
    else onChoose(Number(item.dataset.at), true);
  }

  host.addEventListener("keydown", (event) => {
    const item = event.target.closest("[role=treeitem]");
    if (!item || !keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key](item);
  });

  host.addEventListener("click", (event) => {
    const item = event.target.closest(".row")?.parentElement;
    if (!item) return;
    if (item.more) {
      item.more();
      return;
    }
    const at = Number(item.dataset.at);
    if (event.target.closest(".twisty")) {
      setOpen(item, !isOpen(item));
      return;
    }
    setOpen(item, at === chosen ? !isOpen(item) : true);
    setTabStop(item);
    item.focus({ preventScroll: true });
    onChoose(at, true);
  });

  return { show, reveal, collapse, open: (at) => setOpen(rows.get(at), true), visible: () => visible().flatMap((item) => (item.more ? [] : [Number(item.dataset.at)])), focus: (at) => rows.get(at)?.focus() };
}
