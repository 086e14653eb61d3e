/**
 * The class as tiles, one for each live session.  A tile that changes is filled again, its button stays: focus and
 * screen readers are not disturbed.
 *
 * @typedef {import("./protocol.js").Tile} Tile
 * @typedef {import("./protocol.js").Doubt} Doubt
 */
import { language, number, t } from "../i18n.js";
import { nameOf } from "../letters.js";
import { AUTO } from "../messages.js";
import { splitAddress } from "../passage.js";
import { excerpt } from "./ayat.js";
import { part } from "../parts.js";
import { ruleName } from "../rule_words.js";

const COUNTED = /** @type {const} */ (["accepted", "questioned", "wrong", "unclear"]);
const WORDS_AROUND = 5;
const SLIPS_SHOWN = 3;

/** Lost packets are made up for without a trace up to about this share. */
const LOSS_SHOWN = 0.03;
const SILENCE_SHOWN_S = 5;

export class TilesView {
  /**
   * @param {HTMLElement} root a list @param {import("./ayat.js").Ayat} ayat
   * @param {(surah: number) => string} surahName @param {(session: string) => void} onopen
   */
  constructor(root, ayat, surahName, onopen) {
    this.root = root;
    this.ayat = ayat;
    this.surahName = surahName;
    this.onopen = onopen;
    /** @type {Map<string, {tile: Tile, item: HTMLElement, button: HTMLElement, body: HTMLElement}>} */
    this.shown = new Map();
    /** @type {Set<string>} */
    this.dirty = new Set();
    this.opened = "";
  }

  /** @param {Tile} tile new or changed @returns {boolean} whether it is new */
  put(tile) {
    const known = this.shown.get(tile.session);
    this.dirty.add(tile.session);
    if (known) {
      known.tile = tile;
      return false;
    }
    const item = part("pupil", undefined, "li");
    item.dataset.session = tile.session;
    const head = part("pupil-head", undefined, "h3");
    const button = part("pupil-name", undefined, "button");
    button.setAttribute("type", "button");
    button.addEventListener("click", () => this.onopen(tile.session));
    head.append(button);
    const body = part("pupil-body");
    body.id = `tile-${tile.session}`;
    button.setAttribute("aria-describedby", body.id);
    item.append(head, body);
    this.root.append(item);
    this.shown.set(tile.session, { tile, item, button, body });
    return true;
  }

  /** @param {string} session @returns {Tile|undefined} as it was last */
  remove(session) {
    const gone = this.shown.get(session);
    gone?.item.remove();
    this.shown.delete(session);
    this.dirty.delete(session);
    return gone?.tile;
  }

  /** @param {string} session @returns {Tile|undefined} */
  get(session) {
    return this.shown.get(session)?.tile;
  }

  get size() {
    return this.shown.size;
  }

  /** @param {string} session empty for none */
  mark(session) {
    this.opened = session;
    for (const [id, { item, button }] of this.shown) {
      item.classList.toggle("is-open", id === session);
      if (id === session) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  /** All tiles are drawn again, in another language or with texts that have come. */
  touchAll() {
    for (const session of this.shown.keys()) this.dirty.add(session);
  }

  /** Once per animation frame. */
  frame() {
    if (this.dirty.size === 0) return;
    for (const session of this.dirty) this.#draw(session);
    this.dirty.clear();
  }

  /** @param {string} session */
  #draw(session) {
    const known = this.shown.get(session);
    if (!known) return;
    const { tile, item, button, body } = known;
    item.dataset.state = tile.state;
    button.textContent = nameOfTile(tile);
    body.replaceChildren(this.#where(tile), ...this.#text(tile), bar(tile), ...this.#slips(tile), this.#foot(tile));
  }

  /** @param {Tile} tile */
  #where(tile) {
    const row = part("pupil-where", undefined, "p");
    row.append(part("pupil-place", this.place(tile), "span"), part("pupil-state", t(`state_${tile.state}`), "span"));
    return row;
  }

  /** @param {Tile} tile @returns {string} surah and ayah in words */
  place(tile) {
    if (tile.verses === AUTO) return t("place_sought");
    const [surah, ayah] = splitAddress(tile.at ?? `${tile.verses.split("-")[0]}:1:1`);
    return t("place", { surah: this.surahName(surah), ayah });
  }

  /** Words of the ayah about the one that is recited.  @param {Tile} tile @returns {HTMLElement[]} */
  #text(tile) {
    const line = part("pupil-text", undefined, "p");
    line.lang = "ar";
    line.dir = "rtl";
    line.translate = false;
    if (tile.at === null) return [];
    const words = this.ayat.of(tile.at);
    const here = words.findIndex((word) => word.at === tile.at);
    if (here < 0) return [line];
    const shown = excerpt(words, here, WORDS_AROUND);
    if (shown.before) line.append("… ");
    shown.words.forEach(({ text }, index) => {
      if (index === shown.here) line.append(part("pupil-here", text, "mark"), " ");
      else line.append(`${text} `);
    });
    if (shown.after) line.append("…");
    return [line];
  }

  /** @param {Tile} tile @returns {HTMLElement[]} */
  #slips(tile) {
    if (!tile.slips.length) return [];
    const list = part("pupil-slips", undefined, "ul");
    list.setAttribute("aria-label", t("recent_slips"));
    for (const doubt of tile.slips.slice(0, SLIPS_SHOWN)) {
      const row = part("pupil-slip", undefined, "li");
      const word = part("pupil-slip-word", this.ayat.word(doubt.at), "span");
      word.lang = "ar";
      word.translate = false;
      row.append(part(`icon icon-${toneOf(doubt)}`, "", "span"), word, part("pupil-slip-what", whatOf(doubt), "span"));
      list.append(row);
    }
    return [list];
  }

  /** @param {Tile} tile */
  #foot(tile) {
    const row = part("pupil-foot", undefined, "p");
    const link = linkOf(tile);
    const told = part("pupil-link", link.text, "span");
    told.dataset.link = link.quality;
    row.append(told, part("pupil-since", t("since", { time: clock(tile.since) }), "span"));
    return row;
  }
}

/** @param {Tile} tile @returns {string} */
export function nameOfTile({ name, number: n }) {
  return name || t("guest", { n });
}

/** @param {Doubt} doubt @returns {string} its icon's name */
function toneOf({ status, severity }) {
  if (status === null) return severity ?? "advice";
  return status === "questioned" ? "questioned" : "wrong";
}

/** @param {Doubt} doubt @returns {string} what was wrong, in words */
export function whatOf({ rule, status, expected, heard }) {
  if (rule) return ruleName(rule);
  if (status === "omitted") return t("skipped");
  if (!expected || heard === undefined || heard === null) return t("whole_word");
  return t("said_for", { expected: nameOf(expected, language()), heard: nameOf(heard, language()) });
}

/** @param {Tile} tile @returns {{text: string, quality: "good"|"loss"|"silent"}} */
export function linkOf({ loss, silent_s }) {
  if (silent_s >= SILENCE_SHOWN_S) return { text: t("link_silent", { n: silent_s }), quality: "silent" };
  if (loss >= LOSS_SHOWN) return { text: t("link_loss", { n: Math.round(loss * 100) }), quality: "loss" };
  return { text: t("link_good"), quality: "good" };
}

/** How the words went.  @param {Tile} tile */
function bar(tile) {
  const row = part("proportion pupil-bar");
  row.setAttribute("role", "img");
  const { accepted, questioned, wrong, unclear } = tile;
  row.setAttribute("aria-label", t("judged_words", { accepted, questioned, wrong, unclear }));
  for (const status of COUNTED) {
    if (!tile[status]) continue;
    const piece = part("piece");
    piece.dataset.status = status;
    piece.style.flexGrow = String(tile[status]);
    row.append(piece);
  }
  if (!row.childElementCount) row.append(part("piece"));
  return row;
}

/** @param {number} since Unix time */
function clock(since) {
  const tongue = language() === "ar" ? "ar-u-nu-arab" : "en-GB";
  return new Date(since * 1000).toLocaleTimeString(tongue, { hour: "2-digit", minute: "2-digit" });
}

/** @param {number} count @returns {string} how many recite */
export function countOf(count) {
  if (count === 0) return t("reciting_none");
  return count === 1 ? t("reciting_one") : t("reciting_many", { n: number(count) });
}
