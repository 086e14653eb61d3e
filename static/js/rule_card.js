/**
 * Rules of tajweed on a word's card and in the summary: what was due, what was heard, how to mend it, and how long a
 * sound was held, in counts.
 *
 * @typedef {import("./follow.js").Follow} Follow
 * @typedef {import("./follow.js").WordState} WordState
 * @typedef {import("./rules.js").RuleHeard} RuleHeard
 */
import { WORDS, language, number, t } from "./i18n.js";
import { isSilence, nameOf } from "./letters.js";
import { part } from "./parts.js";
import { broken, ruleTallies } from "./rules.js";
import { inOrder, ruleName, ruleTold } from "./rule_words.js";

/** Counts that a meter shows at least. */
const LEAST_SCALE = 6;

/** Their forms are all that English needs, and more. */
const ARABIC_NUMBERS = new Intl.PluralRules("ar");

const COLUMNS = /** @type {const} */ (["kept", "advice", "error", "unclear"]);

/**
 * The rules of a word that were broken.
 * @param {WordState} word @param {((rule: RuleHeard, button: HTMLElement) => void)|null} hear plays a rule, null when
 *   there is nothing to hear
 */
export function ruleSlips(word, hear) {
  return broken(word.rules).map((rule) => slipPart(rule, word, hear));
}

/** The lengths of a word that were right.  @param {WordState} word @returns {HTMLElement[]} a list, none when empty */
export function ruleLengths(word) {
  const list = part("held", undefined, "ul");
  for (const rule of word.rules) {
    if (rule.severity !== "fine" || rule.measured === null) continue;
    const item = part("held-rule", undefined, "li");
    item.append(part("held-name", ruleName(rule.rule), "span"), part("held-length", about(rule.measured, rule.uncertainty), "span"));
    item.append(lengthMeter(rule));
    list.append(item);
  }
  return list.childElementCount ? [list] : [];
}

/**
 * @param {RuleHeard} rule broken @param {WordState} word
 * @param {((rule: RuleHeard, button: HTMLElement) => void)|null} hear
 */
function slipPart(rule, word, hear) {
  const box = part("rule");
  box.dataset.severity = rule.severity;
  const head = part("rule-head");
  head.append(part(`icon icon-${rule.severity}`, "", "span"), part("rule-name", ruleName(rule.rule), "h4"));
  head.append(part("rule-severity", t(`rule_${rule.severity}`), "span"));
  if (hear) {
    const button = part("round rule-hear", "", "button");
    button.setAttribute("aria-label", t("hear_rule"));
    button.title = t("hear_rule");
    button.addEventListener("click", () => hear(rule, button));
    head.append(button);
  }
  box.append(head, contrast(rule, word));
  if (rule.measured !== null) box.append(lengthMeter(rule));
  box.append(advice(rule));
  return box;
}

/** The letters and what is due on them, beside what was heard.  @param {RuleHeard} rule @param {WordState} word */
function contrast(rule, word) {
  const row = part("contrast");
  const letters = wholeLetters(word.text, rule.letters);
  const due = rule.expected ? counts(rule.expected) : ruleName(rule.rule);
  row.append(tile("expected", letters, due), part("arrow", undefined, "span"), tile("heard", null, heardAs(rule)));
  return row;
}

/** @param {"expected"|"heard"} side @param {string|null} sign letters, null for none @param {string} name */
function tile(side, sign, name) {
  const box = part(`tile tile-${side}`);
  if (sign !== null) {
    const letters = part("tile-sign", sign, "span");
    letters.lang = "ar";
    letters.translate = false;
    box.append(letters);
  }
  const words = part("tile-words", undefined, "span");
  words.append(part("tile-side", t(side), "span"), part("tile-name", name, "span"));
  box.append(words);
  return box;
}

/** @param {RuleHeard} rule @returns {string} what was heard in its place */
export function heardAs({ slip, measured, uncertainty, heard }) {
  if (measured !== null) return about(measured, uncertainty);
  if (slip === "replaced" && heard !== null && !isSilence(heard)) return nameOf(heard, language());
  const key = `slip_${slip}`;
  return t(key in WORDS ? key : "not_clear");
}

/** @param {import("./messages.js").Counts} range @returns {string} */
export function counts([least, most]) {
  const told = (/** @type {number} */ harakat) => number(halves(harakat));
  if (least !== most) return t("counts_between", { least: told(least), most: told(most) });
  const form = ARABIC_NUMBERS.select(halves(least));
  return t(form === "one" || form === "two" || form === "few" ? `count_${form}` : "count_other", { n: told(least) });
}

/** @param {number} measured harakat @param {number|null} [uncertainty] its standard error @returns {string} */
function about(measured, uncertainty = null) {
  const told = `≈ ${counts([measured, measured])}`;
  return uncertainty !== null && uncertainty >= 0.25 ? `${told} ± ${number(halves(uncertainty))}` : told;
}

/** Lengths are told to half a count: finer than that they cannot be measured.  @param {number} harakat */
function halves(harakat) {
  return Math.max(0.5, Math.round(harakat * 2) / 2);
}

/** What it means and how to mend it; filled in when the server has said it.  @param {RuleHeard} rule */
function advice(rule) {
  const box = part("advice");
  box.hidden = true;
  const lang = language();
  void ruleTold(rule).then((told) => {
    if (told === null) return;
    box.append(part("advice-what", told.what[lang], "p"), part("advice-fix", told.fix[lang], "p"));
    box.hidden = false;
  });
  return box;
}

/** Counts reached against counts due.  @param {RuleHeard} rule with a length @returns {HTMLElement} */
export function lengthMeter(rule) {
  const { measured, uncertainty, expected } = rule;
  const reached = measured ?? 0;
  const scale = Math.max(LEAST_SCALE, Math.ceil(reached), Math.ceil(expected?.[1] ?? 0));
  const meter = part("length");
  meter.setAttribute("role", "img");
  const told = about(reached, uncertainty);
  meter.setAttribute("aria-label", expected ? t("length_of", { reached: told, due: counts(expected) }) : told);
  meter.dataset.severity = rule.severity;
  meter.style.setProperty("--scale", String(scale));
  meter.style.setProperty("--reached", String(reached));
  if (expected) {
    const due = part("length-due");
    due.style.setProperty("--least", String(expected[0]));
    due.style.setProperty("--most", String(expected[1]));
    meter.append(due);
  }
  meter.append(part("length-reached"));
  return meter;
}

/** The letters from `from` to `to` with their marks.  @param {string} text @param {readonly [number, number]} span */
function wholeLetters(text, [from, to]) {
  let [start, stop] = [from, to];
  while (start > 0 && /\p{M}/u.test(text[start])) start--;
  while (stop < text.length && /\p{M}/u.test(text[stop])) stop++;
  return text.slice(start, stop);
}

/** All rules of a recitation.  @param {Follow} follow @returns {HTMLElement|null} null when there is nothing to tell */
export function ruleTable(follow) {
  const tallies = ruleTallies(follow.words.flatMap((word) => word.rules));
  if (!follow.summed || !tallies.size) return null;
  const table = part("rules", undefined, "table");
  const head = part("", undefined, "thead");
  const titles = part("", undefined, "tr");
  titles.append(cell("th", t("rule"), "col"), ...COLUMNS.map((column) => headOf(column)));
  head.append(titles);
  const body = part("", undefined, "tbody");
  for (const rule of inOrder(tallies.keys())) {
    const row = part("", undefined, "tr");
    const counted = /** @type {import("./rules.js").RuleTally} */ (tallies.get(rule));
    row.append(cell("th", ruleName(rule), "row"));
    for (const column of COLUMNS) {
      const count = cell("td", counted[column] ? number(counted[column]) : "–");
      count.dataset.severity = counted[column] ? column : "none";
      row.append(count);
    }
    body.append(row);
  }
  table.append(caption(follow), head, body);
  return table;
}

/** @param {Follow} follow */
function caption(follow) {
  const title = part("rules-title", t("rules"), "caption");
  if (follow.harakah_ms !== null) title.append(part("rules-tempo", `${t("tempo")} ${tempo(follow.harakah_ms)}`, "span"));
  return title;
}

/** @param {number|null} harakah_ms @returns {string} how long one count lasts */
export function tempo(harakah_ms) {
  return harakah_ms === null ? t("calibrating") : t("tempo_value", { s: number(Math.round(harakah_ms / 10) / 100) });
}

/** @param {(typeof COLUMNS)[number]} column */
function headOf(column) {
  const head = cell("th", "", "col");
  const icon = { kept: "accepted", advice: "advice", error: "error", unclear: "unclear" }[column];
  head.append(part(`icon icon-${icon}`, "", "span"), part("rules-head", t(`rule_${column}`), "span"));
  return head;
}

/** @param {"th"|"td"} tag @param {string} text @param {"col"|"row"} [scope] */
function cell(tag, text, scope) {
  const node = part("", text, tag);
  if (scope) node.setAttribute("scope", scope);
  return node;
}
