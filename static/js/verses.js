/**
 * The summary by verse, and everything that was told as a table to keep (RFC 4180).  No clock; the DOM for the table only.
 *
 * @typedef {import("./follow.js").Follow} Follow
 * @typedef {import("./follow.js").WordState} WordState
 * @typedef {{surah: number, ayah: number, accepted: number, questioned: number, wrong: number, unclear: number,
 *   rules: number, words: number}} VerseTally `rules` are those broken
 */
import { doubts } from "./follow.js";
import { number, t } from "./i18n.js";
import { nameOf } from "./letters.js";
import { part } from "./parts.js";
import { splitAddress } from "./passage.js";
import { heardAs } from "./rule_card.js";
import { ruleName } from "./rule_words.js";
import { broken } from "./rules.js";

const COLUMNS = /** @type {const} */ (["accepted", "questioned", "wrong", "unclear", "rules"]);

const ICONS = { accepted: "accepted", questioned: "questioned", wrong: "wrong", unclear: "unclear", rules: "error" };

/** @param {readonly WordState[]} words in the order of the text @returns {VerseTally[]} verses of which something was judged */
export function verseTallies(words) {
  /** @type {VerseTally[]} */
  const verses = [];
  for (const word of words) {
    const [surah, ayah] = splitAddress(word.at);
    let verse = verses[verses.length - 1];
    if (!verse || verse.surah !== surah || verse.ayah !== ayah) {
      verse = { surah, ayah, accepted: 0, questioned: 0, wrong: 0, unclear: 0, rules: 0, words: 0 };
      verses.push(verse);
    }
    verse.words++;
    verse.rules += broken(word.rules).length;
    if (word.verdict === "omitted") verse.wrong++;
    else if (word.verdict && word.verdict in ICONS) verse[/** @type {"accepted"} */ (word.verdict)]++;
  }
  return verses.filter((verse) => COLUMNS.some((column) => verse[column] > 0));
}

/** @param {Follow} follow @returns {HTMLElement|null} null where it would tell of one verse or none */
export function verseTable(follow) {
  const verses = verseTallies(follow.words);
  if (verses.length < 2) return null;
  const table = part("rules verses", undefined, "table");
  const head = part("", undefined, "thead");
  const titles = part("", undefined, "tr");
  titles.append(cell("th", t("ayah"), "col"), ...COLUMNS.map((column) => headOf(column)));
  head.append(titles);
  const body = part("", undefined, "tbody");
  const several = verses[0].surah !== verses[verses.length - 1].surah;
  for (const verse of verses) {
    const row = part("", undefined, "tr");
    row.append(cell("th", `${several ? `${number(verse.surah)}:` : ""}${number(verse.ayah)}`, "row"));
    for (const column of COLUMNS) {
      const count = cell("td", verse[column] ? number(verse[column]) : "–");
      count.dataset.status = verse[column] ? column : "none";
      row.append(count);
    }
    body.append(row);
  }
  table.append(part("rules-title", t("by_verse"), "caption"), head, body);
  return table;
}

/** @param {(typeof COLUMNS)[number]} column */
function headOf(column) {
  const head = cell("th", "", "col");
  const name = column === "unclear" ? "unclear_word" : column === "rules" ? "rules_broken" : column;
  head.append(part(`icon icon-${ICONS[column]}`, "", "span"), part("rules-head", t(name), "span"));
  return head;
}

/** @param {"th"|"td"} tag @param {string} text @param {"col"|"row"} [scope] */
function cell(tag, text, scope) {
  const node = part("", text, tag);
  if (scope) node.setAttribute("scope", scope);
  return node;
}

/**
 * A row for each word that was judged, for each letter doubted and for each rule.
 * @param {Follow} follow @param {"ar"|"en"} lang of the names of letters @returns {string} comma-separated values
 */
export function tableToKeep(follow, lang) {
  const rows = [["at", "word", "verdict", "score", "rule", "severity", "expected", "heard", "measured"]];
  for (const word of follow.words) {
    const { at, text, verdict, score, rules } = word;
    if (verdict === null && !rules.length) continue;
    rows.push([at, text, verdict ?? "", verdict === null ? "" : score.toFixed(2)]);
    for (const { unit, heard } of doubts(word)) {
      rows.push([at, text, verdict ?? "", "", "", "", nameOf(unit, lang), heard === null ? "" : nameOf(heard, lang)]);
    }
    for (const rule of rules) {
      const due = rule.expected ? [...new Set(rule.expected)].join("-") : "";
      const heard = rule.slip === null ? "" : heardAs(rule);
      rows.push([at, text, "", "", ruleName(rule.rule), rule.severity, due, heard, rule.measured?.toFixed(1) ?? ""]);
    }
  }
  const widest = rows[0].length;
  return rows.map((row) => Array.from({ length: widest }, (_, i) => quoted(row[i] ?? "")).join(",")).join("\r\n");
}

/** @param {string} field */
function quoted(field) {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** Gives the reader a file.  @param {string} name @param {string} text */
export function save(name, text) {
  // Spreadsheets take a file for UTF-8 when it begins with this mark.
  const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
