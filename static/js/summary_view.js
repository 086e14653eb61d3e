/**
 * What became of the words: the panel after a recitation, and the card of a single word.
 *
 * @typedef {import("./follow.js").Follow} Follow
 * @typedef {import("./follow.js").WordState} WordState
 * @typedef {import("./replay.js").ReplayPicture} ReplayPicture
 *
 * @typedef {object} Deeds what the buttons on a word's card do
 * @property {(at: string, button: HTMLElement, picture: ReplayPicture|null) => void} hear
 * @property {(rule: import("./rules.js").RuleHeard, button: HTMLElement, picture: ReplayPicture|null) => void} hearRule
 * @property {(at: string) => ReplayPicture|null} picture of the word as it was recited, null when there is none
 * @property {(at: string) => void} show
 * @property {() => boolean} canHear
 */
import { doubts, slips, statusOf, tally } from "./follow.js";
import { duration, language, number, t } from "./i18n.js";
import { isSilence, nameOf, signOf } from "./letters.js";
import { describe } from "./mushaf_view.js";
import { part } from "./parts.js";
import { splitAddress } from "./passage.js";
import { heardAs, ruleLengths, ruleSlips, ruleTable, tempo } from "./rule_card.js";
import { ruleName } from "./rule_words.js";
import { gravest } from "./rules.js";
import { slipOf } from "./slip.js";
import { verseTable } from "./verses.js";

const COUNTED = /** @type {const} */ (["accepted", "questioned", "wrong", "unclear"]);

/**
 * @param {HTMLElement} body @param {Follow} follow @param {number} seconds @param {Deeds} deeds
 * @param {import("./hifz.js").Hifz} hifz
 */
export function renderSummary(body, follow, seconds, deeds, hifz) {
  const counts = tally(follow);
  const judged = counts.accepted + counts.questioned + counts.wrong + counts.unclear;
  const found = slips(follow);
  const nodes = [part("when", t("summary_time", { time: duration(seconds) }), "p"), proportion(counts), tallies(counts)];
  if (found.length) {
    nodes.push(part("look-again", t("look_again"), "h3"), ...slipsByAyah(found, follow, deeds));
  } else {
    nodes.push(part("verdict", t(judged ? "all_right" : "nothing_heard"), "p"));
  }
  if (hifz.on || hifz.given) nodes.push(...helped(hifz, follow, deeds));
  for (const table of [verseTable(follow), ruleTable(follow)]) if (table) nodes.push(table);
  nodes.push(part("privacy", t("privacy"), "p"));
  body.replaceChildren(...nodes);
}

/** @param {readonly WordState[]} words in the order of the text @param {Follow} follow @param {Deeds} deeds */
function slipsByAyah(words, follow, deeds) {
  /** @type {HTMLElement[]} */
  const lists = [];
  let last = "";
  for (const word of words) {
    const [surah, ayah] = splitAddress(word.at);
    if (last !== `${surah}:${ayah}`) {
      last = `${surah}:${ayah}`;
      const list = part("slips", undefined, "ol");
      list.setAttribute("aria-label", `${t("ayah")} ${number(ayah)}`);
      lists.push(list);
    }
    const item = part("slip", undefined, "li");
    item.append(wordCard(word, follow, deeds));
    lists[lists.length - 1].append(item);
  }
  return lists;
}

/**
 * How many hints were given, and for which words.
 * @param {import("./hifz.js").Hifz} hifz @param {Follow} follow @param {Deeds} deeds @returns {HTMLElement[]}
 */
function helped(hifz, follow, deeds) {
  const count = part("tally hints");
  count.append(part("tally-name", t("hints"), "span"), part("tally-count", number(hifz.given), "span"));
  if (!hifz.shown.size) return [count];
  const list = part("helped", undefined, "ul");
  list.setAttribute("aria-label", t("helped"));
  for (const index of [...hifz.shown.keys()].sort((a, b) => a - b)) {
    const { at, text } = follow.words[index];
    const word = part("helped-word", text, "button");
    word.lang = "ar";
    word.translate = false;
    word.addEventListener("click", () => deeds.show(at));
    const item = part("", undefined, "li");
    item.append(word);
    list.append(item);
  }
  return [count, list];
}

/** @param {import("./follow.js").Tally} counts */
function proportion(counts) {
  const bar = part("proportion");
  bar.setAttribute("aria-hidden", "true");
  for (const status of COUNTED) {
    if (!counts[status]) continue;
    const piece = part("piece");
    piece.dataset.status = status;
    piece.style.flexGrow = String(counts[status]);
    bar.append(piece);
  }
  const rest = counts.total - counts.accepted - counts.questioned - counts.wrong - counts.unclear;
  if (rest > 0) {
    const piece = part("piece");
    piece.style.flexGrow = String(rest);
    bar.append(piece);
  }
  return bar;
}

/** @param {import("./follow.js").Tally} counts */
function tallies(counts) {
  const list = part("tallies", undefined, "dl");
  for (const status of COUNTED) {
    const row = part("tally");
    row.dataset.status = status;
    const name = part("tally-name", undefined, "dt");
    name.append(part(`icon icon-${status}`, "", "span"), t(status === "unclear" ? "unclear_word" : status));
    row.append(name, part("tally-count", number(counts[status]), "dd"));
    list.append(row);
  }
  return list;
}

/** @param {WordState} word @param {Follow} follow @param {Deeds} deeds @returns {HTMLElement} */
export function wordCard(word, follow, deeds) {
  const index = follow.places.get(word.at) ?? 0;
  const status = statusOf(follow, index);
  const card = part("card");
  card.dataset.status = status;
  const head = part("card-head");
  const text = part("card-word", word.text, "span");
  text.lang = "ar";
  text.dir = "rtl";
  text.translate = false;
  const [, ayah] = splitAddress(word.at);
  const side = part("card-side");
  const told = word.verdict === null ? t(status) : describe(word.verdict, status);
  const badge = part("card-status", undefined, "span");
  badge.append(part(`icon icon-${status}`, "", "span"), told);
  side.append(badge, part("card-at", `${t("ayah")} ${number(ayah)}`, "span"));
  head.append(text, side);
  const picture = deeds.canHear() && word.end > word.start ? deeds.picture(word.at) : null;
  const hearRule = deeds.canHear()
    ? (/** @type {import("./rules.js").RuleHeard} */ rule, /** @type {HTMLElement} */ button) =>
        deeds.hearRule(rule, button, picture)
    : null;
  card.append(head);
  if (picture) card.append(picture.root);
  card.append(...ruleSlips(word, hearRule), ...reasons(word), ...ruleLengths(word));
  if (word.rules.some(({ measured }) => measured !== null)) {
    card.append(part("card-tempo", `${t("tempo")} ${tempo(follow.harakah_ms)}`, "p"));
  }
  card.append(deedRow(word, deeds, picture));
  return card;
}

/** @param {WordState} word @returns {HTMLElement[]} */
function reasons(word) {
  if (word.overruled) return [part("reason", t("word_overruled"), "p")];
  const found = doubts(word);
  if (found.length) return found.flatMap((phone) => [contrast(phone.unit, phone.heard), ...advice(phone)]);
  /** @type {Record<string, string>} */
  const plain = { accepted: "word_accepted", unclear: "word_unclear", omitted: "word_omitted" };
  if (word.verdict === null || gravest(word.rules) !== null) return [];
  const text = word.mended ? t("mended") : t(plain[word.verdict] ?? "word_doubt");
  return [part("reason", text, "p")];
}

/**
 * Where the letter comes from and how to mend it; filled in when the server has said it.
 * @param {import("./follow.js").PhoneHeard} phone @returns {HTMLElement[]}
 */
function advice({ unit, heard }) {
  if (heard === null) return [];
  const box = part("advice");
  box.hidden = true;
  const lang = language();
  void slipOf(unit, isSilence(heard) ? "" : heard).then((slip) => {
    if (slip === null) return;
    box.append(part("advice-what", slip.what[lang], "p"), part("advice-fix", slip.fix[lang], "p"));
    box.hidden = false;
  });
  return [box];
}

/** Expected beside heard, as letters and as names.  @param {string} unit @param {string|null} heard */
function contrast(unit, heard) {
  const row = part("contrast");
  row.append(tile("expected", unit), part("arrow", undefined, "span"), tile("heard", heard));
  return row;
}

/** @param {"expected"|"heard"} side @param {string|null} unit null when no other letter stood out */
function tile(side, unit) {
  const box = part(`tile tile-${side}`);
  const sign = part("tile-sign", unit === null ? "؟" : signOf(unit), "span");
  sign.lang = "ar";
  sign.classList.toggle("silent", unit === null || isSilence(unit));
  const words = part("tile-words", undefined, "span");
  const name = unit === null ? t("not_clear") : nameOf(unit, language());
  words.append(part("tile-side", t(side), "span"), part("tile-name", name, "span"));
  box.append(sign, words);
  return box;
}

/** @param {WordState} word @param {Deeds} deeds @param {ReplayPicture|null} picture */
function deedRow(word, deeds, picture) {
  const row = part("deeds");
  if (word.end > word.start && deeds.canHear()) {
    const hear = part("deed", t("hear"), "button");
    hear.classList.add("deed-hear");
    hear.addEventListener("click", () => deeds.hear(word.at, hear, picture));
    row.append(hear);
  } else if (word.end > word.start) {
    row.append(part("later", t("hear_later"), "p"));
  }
  const show = part("deed", t("show"), "button");
  show.classList.add("deed-show");
  show.addEventListener("click", () => deeds.show(word.at));
  row.append(show);
  return row;
}

/** What a screen reader is told of a word with a slip.  @param {WordState} word */
export function spokenVerdict(word) {
  const status = word.verdict === "omitted" ? "wrong_omitted" : (word.verdict ?? "pending");
  const said = t("say_word", { word: word.text, status: t(status === "unclear" ? "unclear_word" : status) });
  const [worst] = doubts(word, 1);
  if (!worst || worst.heard === null) return said;
  const lang = language();
  const pair = { expected: nameOf(worst.unit, lang), heard: nameOf(worst.heard, lang) };
  return `${said}, ${t("say_doubt", pair)}`;
}

/**
 * What a screen reader is told of a rule broken.
 * @param {import("./rules.js").RuleHeard} rule @param {WordState} word
 */
export function spokenRule(rule, word) {
  return t("say_rule", { word: word.text, rule: ruleName(rule.rule), how: heardAs(rule) });
}
