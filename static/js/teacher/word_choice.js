/**
 * Choosing a word of the text, by touch or with the arrow keys; the text is one stop for the Tab key.
 */

/** @type {Readonly<Record<string, number>>} the text runs from right to left */
const STEPS = { ArrowLeft: 1, ArrowRight: -1, ArrowDown: 8, ArrowUp: -8, Home: -Infinity, End: Infinity };

export class WordChoice {
  /**
   * @param {HTMLElement} root of the text @param {() => readonly HTMLElement[]} spans of its words
   * @param {() => number} here where to begin @param {(index: number) => void} onchoose
   * @param {(index: number) => void} onopen
   */
  constructor(root, spans, here, onchoose, onopen) {
    this.spans = spans;
    this.here = here;
    this.onchoose = onchoose;
    this.onopen = onopen;
    this.index = -1;
    root.addEventListener("click", (event) => this.#touched(event));
    root.addEventListener("keydown", (event) => this.#pressed(event));
  }

  clear() {
    this.spans()[this.index]?.classList.remove("chosen");
    this.index = -1;
  }

  /** @param {number} index */
  choose(index) {
    this.clear();
    this.index = index;
    const span = this.spans()[index];
    span.classList.add("chosen");
    span.scrollIntoView({ block: "nearest" });
    this.onchoose(index);
  }

  /** @param {MouseEvent} event */
  #touched(event) {
    const span = event.target instanceof Element ? event.target.closest(".w") : null;
    if (!(span instanceof HTMLElement)) return;
    this.choose(Number(span.dataset.index));
    this.onopen(this.index);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const last = this.spans().length - 1;
    if (last < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Enter" || event.key === " ") {
      const span = event.target instanceof Element ? event.target.closest(".w") : null;
      if (span instanceof HTMLElement) this.choose(Number(span.dataset.index));
      if (this.index < 0) this.choose(Math.max(0, this.here()));
      this.onopen(this.index);
    } else if (event.key in STEPS) {
      const step = STEPS[event.key];
      // The first arrow chooses the word that is recited.
      const to = this.index < 0 && Number.isFinite(step) ? this.here() : this.index + step;
      this.choose(Math.min(last, Math.max(0, to)));
    } else {
      return;
    }
    event.preventDefault();
  }
}
