/** The card that opens beside a word: below it where there is room, otherwise above. */

const GAP_PX = 10;

export class WordPopover {
  /** @param {HTMLElement} card a popover @param {HTMLElement} dock what it must leave free at the foot of the page */
  constructor(card, dock) {
    this.card = card;
    this.dock = dock;
    /** @type {HTMLElement|null} */
    this.word = null;
    // What the server has to say comes later and makes the card longer.
    new ResizeObserver(() => this.#place()).observe(card);
  }

  /** @param {HTMLElement} word @param {HTMLElement} content */
  open(word, content) {
    this.word = word;
    this.card.replaceChildren(content);
    this.card.showPopover();
    this.#place();
  }

  #place() {
    if (!this.word || !this.card.matches(":popover-open")) return;
    const { offsetWidth, offsetHeight, style } = this.card;
    const box = this.word.getBoundingClientRect();
    const foot = innerHeight - this.dock.offsetHeight;
    const left = Math.min(box.left + box.width / 2 - offsetWidth / 2, innerWidth - offsetWidth - GAP_PX);
    const below = box.bottom + GAP_PX;
    const above = box.top - GAP_PX - offsetHeight;
    const top = below + offsetHeight <= foot ? below : above >= GAP_PX ? above : foot - offsetHeight - GAP_PX;
    style.left = `${Math.max(GAP_PX, left)}px`;
    style.top = `${Math.max(GAP_PX, top)}px`;
  }
}
