// A view as a file: its rows as CSV, its picture as SVG or PNG. Nothing leaves the page but by the reader's hand.

import { element } from "./dom.js";

const FORMULA = /^[=+\-@\t\r]/;
const SHARPNESS = 2; // pixels of a PNG for each of its picture's

// Text that begins like a formula is kept from a spreadsheet by an apostrophe; numbers are not text.
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// `table`: { columns, rows }.
export function csvOf({ columns, rows }) {
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
}

export function saveText(name, type, text) {
  save(name, new Blob([text], { type }));
}

function save(name, blob) {
  const address = URL.createObjectURL(blob);
  const link = element("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// `picture`: an SVG element with width and height in pixels, its colours in attributes.
export function svgText(picture) {
  return new XMLSerializer().serializeToString(picture);
}

export async function savePng(name, picture) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(picture))}`;
  await image.decode();
  const canvas = element("canvas");
  canvas.width = SHARPNESS * picture.getAttribute("width");
  canvas.height = SHARPNESS * picture.getAttribute("height");
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  save(name, blob);
}
