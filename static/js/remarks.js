/**
 * What a teacher says while the student recites: words of their own, a word to repeat from, another verdict on a word.
 * Each is a note that stays until it is put away; a verdict is put right in the text as well.
 *
 * @typedef {import("./messages.js").Remark} Remark
 * @typedef {import("./messages.js").Overruled} Overruled
 */
import { lookOf, overrule } from "./follow.js";
import { t } from "./i18n.js";
import { describe } from "./mushaf_view.js";
import { noteEvent } from "./observe.js";
import { part } from "./parts.js";

/** Notes shown at once; the oldest makes room. */
const MOST_NOTES = 3;

export class Remarks {
  /** @param {HTMLElement} root a live list @param {import("./sheet.js").Sheet} sheet */
  constructor(root, sheet) {
    this.root = root;
    this.sheet = sheet;
    /** @type {(Remark|Overruled)[]} */
    this.notes = [];
  }

  /** @param {Remark|Overruled} said */
  take(said) {
    noteEvent(said.type, { at: said.at });
    if (said.type === "overruled") {
      const place = overrule(this.sheet.follow, said.at, said.status);
      if (place < 0) return;
      this.sheet.view.touch([place]);
      this.notes = this.notes.filter(({ type, at }) => type !== "overruled" || at !== said.at);
    }
    this.notes.push(said);
    if (this.notes.length > MOST_NOTES) this.notes.shift();
    this.retell();
    if (said.at) this.sheet.view.point(this.sheet.placeOf(said.at));
  }

  /** Another recitation. */
  clear() {
    this.notes = [];
    this.retell();
  }

  /** Shows the notes, in the language of the page. */
  retell() {
    this.root.replaceChildren(...this.notes.map((note) => this.#row(note)));
    this.root.hidden = this.notes.length === 0;
  }

  /** @param {Remark|Overruled} note */
  #row(note) {
    const row = part("note-row", undefined, "li");
    row.dataset.note = note.type === "overruled" ? "overruled" : note.at ? "repeat" : "remark";
    const body = part("note-body");
    if (note.type === "overruled") body.append(part("note-text", statusText(note), "p"));
    else {
      if (note.at) body.append(part("note-text", t("note_repeat"), "p"));
      if (note.text) body.append(quoted(note.text));
    }
    if (note.at) body.append(this.#word(note.at));
    const close = part("round", "✕", "button");
    close.setAttribute("aria-label", t("dismiss"));
    close.addEventListener("click", () => {
      this.notes = this.notes.filter((other) => other !== note);
      this.retell();
    });
    row.append(body, close);
    return row;
  }

  /** The word, which shows itself in the text when pressed.  @param {string} at */
  #word(at) {
    const { sheet } = this;
    const word = part("note-word", sheet.follow.words[sheet.placeOf(at)]?.text ?? at, "button");
    word.lang = "ar";
    word.translate = false;
    word.addEventListener("click", () => sheet.view.point(sheet.placeOf(at)));
    return word;
  }
}

/** @param {Overruled} note */
function statusText({ status }) {
  return t("note_overruled", { status: describe(status, lookOf(status)) });
}

/** The teacher's own words, whatever their language.  @param {string} text */
function quoted(text) {
  const line = part("note-quote", text, "p");
  line.dir = "auto";
  return line;
}
