// Pictures that are saved: SVG on paper of its own, with every colour and size in attributes.

import { shape } from "./dom.js";

export const PICTURE_INK = { paper: "#ffffff", ink: "#1d2226", soft: "#5a646b", line: "#e3e1da", bar: "#5a9e96", accent: "#1f6f68" };

export function picture(width, height, ...children) {
  return shape(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, "font-family": "sans-serif", "font-size": 13 },
    shape("rect", { width, height, fill: PICTURE_INK.paper }),
    ...children,
  );
}

export function words(text, x, y, attributes = {}) {
  const made = shape("text", { x, y, fill: PICTURE_INK.ink, ...attributes });
  made.textContent = text;
  return made;
}

const PICTURE_WIDTH = 960;
const BAR_HEIGHT = 24;
const MOST_BARS = 60;
const LABEL_LENGTH = 56;

export function clipped(text, length) {
  const letters = [...text];
  return letters.length > length ? `${letters.slice(0, length - 1).join("")}…` : text;
}

// Bars with a label and a value in words; `size` from 0 to 1, null where it is not shown.
export function barsPicture(title, bars) {
  const shown = bars.slice(0, MOST_BARS);
  const height = 64 + BAR_HEIGHT * shown.length;
  const parts = shown.flatMap(({ label, size, value, indent = 0 }, place) => {
    const y = 48 + BAR_HEIGHT * place;
    return [
      words(clipped(label, LABEL_LENGTH), 16 + 14 * indent, y + 15),
      shape("rect", { x: 470, y: y + 5, width: 340 * (size ?? 0), height: 12, rx: 3, fill: PICTURE_INK.bar }),
      words(value, 944, y + 15, { "text-anchor": "end", fill: PICTURE_INK.soft }),
    ];
  });
  return picture(PICTURE_WIDTH, height, words(title, 16, 30, { "font-size": 18, "font-family": "serif" }), ...parts);
}
