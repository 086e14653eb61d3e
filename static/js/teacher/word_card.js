/**
 * The card of a word: what was heard of it, and what a teacher can do about it.
 *
 * @typedef {import("./protocol.js").Ruling} Ruling
 * @typedef {object} Deeds
 * @property {(at: string) => void} repeat
 * @property {(at: string, status: Ruling) => void} overrule
 */
import { doubts, statusOf } from "../follow.js";
import { language, number, t } from "../i18n.js";
import { nameOf } from "../letters.js";
import { describe } from "../mushaf_view.js";
import { splitAddress } from "../passage.js";
import { part } from "../parts.js";
import { ruleLengths, ruleSlips } from "../rule_card.js";

const RULINGS = /** @type {const} */ (["accepted", "questioned", "wrong", "unclear"]);

/**
 * @param {import("./opened.js").OpenedSession} opened @param {number} index @param {Deeds} deeds
 * @returns {HTMLElement}
 */
export function teacherCard(opened, index, deeds) {
  const word = opened.follow.words[index];
  const status = statusOf(opened.follow, index);
  const card = part("card teacher-card");
  card.dataset.status = status;
  const head = part("card-head");
  const text = part("card-word", word.text, "span");
  text.lang = "ar";
  text.dir = "rtl";
  text.translate = false;
  const side = part("card-side");
  const badge = part("card-status", undefined, "span");
  if (word.verdict !== null) badge.append(part(`icon icon-${status}`, "", "span"));
  badge.append(statusText(opened, index));
  const [, ayah] = splitAddress(word.at);
  side.append(badge, part("card-at", `${t("ayah")} ${number(ayah)}`, "span"));
  head.append(text, side);
  card.append(head, ...reasons(word), ...ruleSlips(word, null), ...ruleLengths(word));
  if (word.verdict !== null) card.append(rulings(opened, index, deeds));
  const repeat = part("solid repeat", t("repeat"), "button");
  repeat.addEventListener("click", () => deeds.repeat(word.at));
  card.append(repeat);
  return card;
}

/** @param {import("./opened.js").OpenedSession} opened @param {number} index @returns {string} */
export function statusText(opened, index) {
  const word = opened.follow.words[index];
  const status = statusOf(opened.follow, index);
  const told = word.verdict === null ? t(status === "current" ? "here_now" : status) : describe(word.verdict, status);
  return word.overruled ? `${told} (${t("overruled")})` : told;
}

/** What was heard in place of a letter.  @param {import("../follow.js").WordState} word @returns {HTMLElement[]} */
function reasons(word) {
  const lang = language();
  return doubts(word)
    .filter(({ heard }) => heard !== null)
    .map(({ unit, heard }) => {
      const pair = { expected: nameOf(unit, lang), heard: nameOf(heard ?? "", lang) };
      return part("reason", t("said_for", pair), "p");
    });
}

/** @param {import("./opened.js").OpenedSession} opened @param {number} index @param {Deeds} deeds */
function rulings(opened, index, deeds) {
  const { at, verdict } = opened.follow.words[index];
  const row = part("rulings");
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", t("your_verdict"));
  row.append(part("rulings-name", t("your_verdict"), "span"));
  for (const status of RULINGS) {
    const button = part("ruling", undefined, "button");
    button.dataset.status = status;
    button.setAttribute("aria-pressed", String(verdict === status));
    button.append(part(`icon icon-${status}`, "", "span"), t(status === "unclear" ? "unclear_word" : status));
    button.addEventListener("click", () => deeds.overrule(at, status));
    row.append(button);
  }
  return row;
}
