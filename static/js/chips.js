/**
 * Short notes that name a rule above the word that broke it, and fade into the mark on its letters.  They lie over the
 * line that was recited before, and let touches through.
 */
import { part } from "./parts.js";

/** Long enough to read three words beside reciting; the style's `chip` animation lasts as long. */
const SHOWN_MS = 3200;

/** More than so many at a time nobody reads: the oldest goes. */
const MOST = 3;

export class Chips {
  /** @param {HTMLElement} sheet to which words are placed */
  constructor(sheet) {
    this.sheet = sheet;
    /** @type {Map<HTMLElement, {chip: HTMLElement, timer: ReturnType<typeof setTimeout>}>} by word */
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
    chip.style.left = `${left}px`;
    chip.style.top = `${word.offsetTop}px`;
    chip.style.setProperty("--to-word", `${middle - left}px`);
    this.shown.set(word, { chip, timer: setTimeout(() => this.#drop(word), SHOWN_MS) });
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
