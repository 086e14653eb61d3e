/**
 * Speaks to screen readers without flooding them: at most one message every few seconds, the newest of each kind, a
 * change of state before a verdict, a rule before the word it is in.
 */

const EVERY_MS = 3000;

const KINDS = /** @type {const} */ (["state", "rule", "word"]);

/** @typedef {(typeof KINDS)[number]} Kind */

export class Announcer {
  /** @param {HTMLElement} region with aria-live */
  constructor(region) {
    this.region = region;
    /** @type {Map<string, string>} */
    this.waiting = new Map();
    this.spokenAt = -EVERY_MS;
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.timer = undefined;
  }

  /** @param {Kind} kind @param {string} text */
  say(kind, text) {
    this.waiting.set(kind, text);
    if (this.timer !== undefined) return;
    const wait = Math.max(0, this.spokenAt + EVERY_MS - performance.now());
    this.timer = setTimeout(() => this.#speak(), wait);
  }

  #speak() {
    this.timer = undefined;
    this.spokenAt = performance.now();
    const parts = KINDS.map((kind) => this.waiting.get(kind)).filter(Boolean);
    this.waiting.clear();
    this.region.textContent = parts.join(". ");
  }
}
