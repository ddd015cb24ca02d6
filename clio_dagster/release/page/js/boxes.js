// The treemap: top topics as boxes with the topics below them inside, as large as their conversations. A box that is
// opened fills the view.

import { KINDS } from "./colors.js";
import { element, foreign, shape } from "./dom.js";
import { count, percent } from "./format.js";
import { clipped, picture, words } from "./pictures.js";
import { topicTable } from "./tree.js";

const HEAD = 26; // pixels of a group's name
const GAP = 2;
const LEGIBLE = [44, 18]; // a smaller box has no name in it
const SMALLEST_BOX = 3;
const SAVED_BOXES = [1280, 860];
const LIGHTER = 0.45;

export const boxesView = {
  name: "boxes",
  title: "Treemap",
  make(host, page) {
    const { model } = page;
    const { topics } = model;
    const out = element("button", { type: "button", class: "quiet" }, "All topics");
    const into = element("button", { type: "button", class: "quiet" });
    const frame = element("div", { class: "boxes", role: "group", "aria-label": "Topics by size" });
    host.append(element("div", { class: "map-tools" }, element("span", { class: "zoom" }, out, into)), frame, element("p", { class: "note" }, `A box is as large as the topic's conversations in ${count(model.release.window.days)} days. Topics whose count is not shown have no box.`));
    let drawn = [];

    out.addEventListener("click", () => page.state.set({ inside: "" }));
    into.addEventListener("click", () => page.state.set({ inside: topics.topic[page.chosen()] }));
    frame.addEventListener("click", (event) => {
      const box = event.target.closest(".box");
      if (box) page.choose(Number(box.dataset.at), true);
    });
    frame.addEventListener("dblclick", (event) => {
      const at = Number(event.target.closest(".box")?.dataset.at ?? -1);
      if (at >= 0 && model.children(at).length) page.state.set({ inside: topics.topic[at] });
    });
    new ResizeObserver(() => draw()).observe(frame);

    function inside() {
      const at = model.find(page.state.get().inside);
      return at >= 0 && topics.clustered_by[at] === page.by() ? at : null;
    }

    const layout = (width, height) => {
      const root = inside();
      const tops = root === null ? model.roots.filter((at) => topics.clustered_by[at] === page.by()) : model.children(root);
      return laidOut(model, tops.length === 1 && model.children(tops[0]).length ? model.children(tops[0]) : tops, width, height);
    };

    function update() {
      const at = page.chosen();
      out.hidden = inside() === null;
      into.hidden = at === null || !model.children(at).length || at === inside();
      if (at !== null) into.replaceChildren("Open ", foreign("span", clipped(topics.name[at], 40)));
      draw();
    }

    function draw() {
      if (!frame.clientWidth) return;
      drawn = layout(frame.clientWidth, frame.clientHeight);
      const found = page.found();
      const chosen = page.chosen();
      const focused = document.activeElement?.closest?.(".box")?.dataset.at;
      frame.replaceChildren(...drawn.map((box) => boxElement(model, box, found && !found.leads.has(box.at), box.at === chosen)));
      if (focused !== undefined) frame.querySelector(`[data-at="${focused}"]`)?.focus({ preventScroll: true });
    }

    return { update, table: () => topicTable(model, drawn.map(({ at }) => at)), picture: () => savedBoxes(model, layout(...SAVED_BOXES)) };
  },
};

function boxElement(model, { at, x, y, width, height, isGroup, color }, isFaint, isChosen) {
  const { name, window_conversations: sizes, share } = model.topics;
  const box = element("button", {
    type: "button", class: `box${isGroup ? " group" : ""}${isFaint ? " faint" : ""}`, "data-at": at, "aria-pressed": String(isChosen),
    "aria-label": `${name[at]}, ${count(sizes[at])} conversations${share[at] === null ? "" : `, ${percent(share[at])} of the day`}`, title: name[at],
  });
  Object.assign(box.style, { left: `${x}px`, top: `${y}px`, width: `${width}px`, height: `${height}px`, background: color });
  if (width >= LEGIBLE[0] && height >= LEGIBLE[1]) {
    box.append(foreign("span", name[at], { class: "name" }));
    if (!isGroup && height >= 46) box.append(element("span", { class: "size" }, count(sizes[at])));
  }
  return box;
}

// Boxes of the tops and, inside each, of the topics below it; those too small to be seen are left out.
function laidOut(model, tops, width, height) {
  const sizes = model.topics.window_conversations;
  const sized = (places) => places.filter((at) => sizes[at] > 0).map((at) => ({ at, size: sizes[at] }));
  const all = [];
  squarified(sized(tops), { x: 0, y: 0, width, height }).forEach((box, place) => {
    const kind = KINDS[place % KINDS.length];
    const group = inset(box, GAP);
    const below = sized(model.children(box.at));
    if (group.width < SMALLEST_BOX || group.height < SMALLEST_BOX) return;
    if (!below.length) {
      all.push({ ...group, at: box.at, color: lighter(kind, LIGHTER), isGroup: false });
      return;
    }
    all.push({ ...group, at: box.at, color: lighter(kind, 0.25), isGroup: true });
    const room = { x: group.x + GAP, y: group.y + HEAD, width: group.width - 2 * GAP, height: group.height - HEAD - GAP };
    if (room.height < SMALLEST_BOX || room.width < SMALLEST_BOX) return;
    for (const child of squarified(below, room)) {
      const shown = inset(child, 1);
      if (shown.width >= SMALLEST_BOX && shown.height >= SMALLEST_BOX) all.push({ ...shown, at: child.at, color: lighter(kind, LIGHTER), isGroup: false });
    }
  });
  return all;
}

const inset = ({ at, x, y, width, height }, by) => ({ at, x: x + by / 2, y: y + by / 2, width: width - by, height: height - by });

// Squarified treemap (Bruls, Huizing, van Wijk 2000): rows along the shorter side, each as near to squares as it gets.
function squarified(items, { x, y, width, height }) {
  const total = items.reduce((sum, { size }) => sum + size, 0);
  const boxes = [];
  const scale = (width * height) / total;
  let rest = items.map(({ at, size }) => ({ at, area: size * scale }));
  let room = { x, y, width, height };
  while (rest.length) {
    const side = Math.min(room.width, room.height);
    let taken = 1;
    let sum = rest[0].area;
    while (taken < rest.length && worst(rest.slice(0, taken + 1), sum + rest[taken].area, side) <= worst(rest.slice(0, taken), sum, side)) {
      sum += rest[taken].area;
      taken += 1;
    }
    const depth = sum / side;
    const isWide = room.width >= room.height;
    let along = isWide ? room.y : room.x;
    for (const { at, area } of rest.slice(0, taken)) {
      const length = area / depth;
      boxes.push(isWide ? { at, x: room.x, y: along, width: depth, height: length } : { at, x: along, y: room.y, width: length, height: depth });
      along += length;
    }
    room = isWide ? { ...room, x: room.x + depth, width: room.width - depth } : { ...room, y: room.y + depth, height: room.height - depth };
    rest = rest.slice(taken);
  }
  return boxes;
}

// The largest ratio of sides in a row; items come largest first.
function worst(row, sum, side) {
  const square = (sum / side) ** 2;
  return Math.max(row[0].area / square, square / row[row.length - 1].area);
}

function lighter(color, part) {
  const channel = (from) => parseInt(color.slice(from, from + 2), 16);
  return `rgb(${[1, 3, 5].map((from) => Math.round(channel(from) + (255 - channel(from)) * part)).join(",")})`;
}

function savedBoxes(model, boxes) {
  const parts = boxes.flatMap(({ at, x, y, width, height, color, isGroup }) => {
    const box = shape("rect", { x, y, width, height, rx: 4, fill: color });
    if (width < LEGIBLE[0] || height < LEGIBLE[1]) return [box];
    const letters = Math.floor((width - 12) / (isGroup ? 8 : 7));
    return [box, words(clipped(model.topics.name[at], letters), x + 6, y + 16, { fill: "#14181a", "font-weight": isGroup ? 600 : 400 })];
  });
  return picture(...SAVED_BOXES, ...parts);
}
