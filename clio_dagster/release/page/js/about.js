// What the release says of itself: head, coverage, and how it was made.

import { element, foreign } from "./dom.js";
import { FEW, count, day, decimal, language, plural } from "./format.js";

export function renderHead(title, facts, notes, model) {
  const { release } = model;
  title.textContent = `Topics of ${day(release.date)}`;
  document.title = `Topics of ${day(release.date)}`;
  const add = (term, value) => facts.append(element("div", {}, element("dt", {}, term), element("dd", {}, value)));
  add("Window", release.window.days === 1 ? "that day" : `${plural(release.window.days, "day", "days")} from ${day(release.window.first)}`);
  const published = stageTotal(model, "published");
  add("Conversations that day", published === null ? FEW : `about ${count(published)} under a topic`);
  const seen = new Set(model.coverage.language);
  add("Languages", seen.size ? `${count(seen.size)} of ${count(release.languages.length)} configured` : count(release.languages.length));
  add("Topics", count(model.size));
  const [author] = authorSentences(release.models.analyst);
  const noise = release.noise.within === null ? "Counts are exact: this release is a test, and not fit to be shown." : `Counts carry noise on purpose: most lie within ${count(release.noise.within)} of what was counted.`;
  notes.append(element("p", {}, `${author} ${noise}`));
}

function stageTotal(model, stage) {
  const { coverage } = model;
  const shown = coverage.conversations.filter((number, row) => coverage.stage[row] === stage && number !== null);
  return shown.length ? shown.reduce((sum, number) => sum + number, 0) : null;
}

// The first can stand alone.
function authorSentences(analyst) {
  if (analyst.name === "offline") {
    return ["No language model wrote these topics.", "The offline analyst found, named and arranged them by counting words and comparing sentences, from words that many accounts used: read a name as a label, not as a summary."];
  }
  return [`${analyst.name} (${analyst.version}) wrote these names and descriptions.`, "Those that did not pass the privacy rules were replaced by the offline analyst's, or withheld."];
}

function noiseSentence({ noise, thresholds }) {
  const few = `Counts under about ${count(thresholds.cell_min_conversations)} conversations or ${count(thresholds.cell_min_accounts)} accounts a day read “${FEW}”.`;
  if (noise.within === null) return `Counts are exact: this release is a test, and not fit to be shown. ${few}`;
  return `Every count carries noise on purpose, so that none gives one account away: most lie within ${count(noise.within)} of what was counted. ${few}`;
}

export const aboutView = {
  name: "about",
  title: "About this release",
  isWide: true,
  make(host, { model }) {
    renderAbout(host, model);
    return { update: () => {}, table: () => coverageRows(model), picture: () => null };
  },
};

function coverageRows({ coverage }) {
  const columns = ["language", "stage", "conversations"];
  return { columns, rows: coverage.language.map((_, row) => columns.map((name) => coverage[name][row])) };
}

function renderAbout(host, model) {
  const { release } = model;
  host.classList.add("about");
  host.append(
    block("What to know before reading", "wide", element("p", {}, authorSentences(release.models.analyst).join(" ")), element("p", {}, noiseSentence(release))),
    block("What became of the day's conversations", "wide", coverageTable(model)),
    block("What the noise means", "", element("p", { class: "note" }, release.noise.statement)),
    block("How it was made", "", pairs(madeOf(release))),
    block("What a topic needed", "", pairs(Object.entries(release.thresholds).map(([name, value]) => [name.replaceAll("_", " "), decimalOrWhole(value)]))),
    block("Checks", "", checks(release.checks)),
    element("p", { class: "foot" }, `Release of ${day(release.date)}, revision ${count(release.revision)}. Only published figures are in this page; the same are in the Parquet files beside it.`),
  );
}

function block(title, kind, ...content) {
  return element("section", { class: `block ${kind}` }, element("h2", {}, title), ...content);
}

function pairs(entries) {
  const list = element("dl", { class: "pairs" });
  for (const [term, value] of entries) list.append(element("div", {}, element("dt", {}, term), foreign("dd", value)));
  return list;
}

function madeOf({ models, prompts, seeds, cost, timezone, noise }) {
  return [
    ["analyst", `${models.analyst.name} ${models.analyst.version}`],
    ["embedder", `${models.embedder.name} ${models.embedder.version}`],
    ...Object.entries(prompts).map(([name, version]) => [`prompt, ${name}`, version]),
    ...Object.entries(seeds).map(([name, seed]) => [name, String(seed)]),
    ["days are those of", timezone],
    ["noise", noise.epsilon === null ? "none" : `${noise.mechanism}, ε ${decimal(noise.epsilon)}${noise.epsilon_sensitive === null ? "" : `, ${decimal(noise.epsilon_sensitive)} for kinds that can hurt`}`],
    ["cost", cost.usd ? `about $${decimal(cost.usd)}` : "nothing was paid for"],
  ];
}

function decimalOrWhole(value) {
  return Number.isInteger(value) ? count(value) : decimal(value);
}

function checks(all) {
  if (!all.length) return element("p", { class: "note" }, "No check is recorded.");
  const list = element("ul", { class: "checks" });
  for (const { name, passed } of all) {
    list.append(element("li", { class: passed ? "passed" : "failed" }, element("span", { class: "verdict" }, passed ? "passed" : "failed"), foreign("span", name)));
  }
  return list;
}

function coverageTable({ coverage }) {
  const stages = ["in", "quarantined", "unread", "language not understood", "merged as duplicates", "below a threshold", "withheld", "published"];
  const used = stages.filter((stage) => coverage.stage.includes(stage));
  if (!used.length) return element("p", { class: "note" }, "No stage had enough conversations to show a count.");
  const cells = new Map(coverage.language.map((code, row) => [`${code}|${coverage.stage[row]}`, coverage.conversations[row]]));
  const size = (code) => cells.get(`${code}|in`) ?? cells.get(`${code}|published`) ?? -1;
  const codes = [...new Set(coverage.language)].sort((a, b) => size(b) - size(a) || (a < b ? -1 : 1));
  const body = element("tbody");
  for (const code of codes) {
    const line = element("tr", {}, element("th", { scope: "row" }, language(code)));
    for (const stage of used) {
      const number = cells.get(`${code}|${stage}`) ?? null;
      line.append(element("td", { class: number === null ? "few" : null }, count(number)));
    }
    body.append(line);
  }
  const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Language"), ...used.map((stage) => element("th", { scope: "col" }, stage))));
  const table = element("table", {}, element("caption", { class: "sr" }, "Conversations of the day by language and stage"), head, body);
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Coverage by language" }, table);
}
