/**
 * Short notes that name a rule above the word that broke it, and fade into the mark on its letters.  They lie over the
 * line that was recited before, and let touches through.
 */
import { part } from "./parts.js";

/** Long enough to read three words beside reciting; the style's `chip` animation lasts as long. */
const SHOWN_MS = 3200;

/** More than so many at a time nobody reads: the oldest goes. */
const MOST = 3;

/**
 * @typedef {object} Shown
 * @property {HTMLElement} chip
 * @property {number} timer
 * @property {number} left middle of the chip, px within the sheet
 * @property {number} half of its width, px
 * @property {number} top of its word, px: the same for all of a line
 */

export class Chips {
  /** @param {HTMLElement} sheet to which words are placed */
  constructor(sheet) {
    this.sheet = sheet;
    /** @type {Map<HTMLElement, Shown>} by word */
    this.shown = new Map();
  }

  /** @param {HTMLElement} word @param {string} text @param {"advice"|"error"} severity */
  show(word, text, severity) {
    this.#drop(word);
    for (const [oldest] of this.shown) if (this.shown.size >= MOST) this.#drop(oldest);
    const chip = part("chip");
    chip.dataset.severity = severity;
    chip.dir = document.documentElement.dir;
    chip.setAttribute("aria-hidden", "true");
    chip.append(part(`icon icon-${severity}`, "", "span"), part("chip-name", text, "span"));
    this.sheet.append(chip);
    const half = chip.offsetWidth / 2;
    const middle = word.offsetLeft + word.offsetWidth / 2;
    const left = Math.min(Math.max(middle, half), this.sheet.clientWidth - half);
    const top = word.offsetTop;
    for (const [other, place] of this.shown) {
      if (place.top === top && Math.abs(place.left - left) < place.half + half) this.#drop(other);
    }
    chip.style.left = `${left}px`;
    chip.style.top = `${top}px`;
    chip.style.setProperty("--to-word", `${middle - left}px`);
    const timer = window.setTimeout(() => this.#drop(word), SHOWN_MS);
    this.shown.set(word, { chip, timer, left, half, top });
  }

  clear() {
    for (const word of [...this.shown.keys()]) this.#drop(word);
  }

  /** @param {HTMLElement} word */
  #drop(word) {
    const gone = this.shown.get(word);
    if (!gone) return;
    clearTimeout(gone.timer);
    gone.chip.remove();
    this.shown.delete(word);
  }
}
