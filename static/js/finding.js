/**
 * Where the student may be, while the server is not certain: the likeliest ayat, to touch the right one.
 *
 * @typedef {import("./messages.js").Candidate} Candidate
 */
import { number } from "./i18n.js";
import { find } from "./picker.js";

export class FindingView {
  /**
   * @param {HTMLElement} root
   * @param {(surah: number) => string} nameOf a surah in the page's language
   * @param {(at: string) => void} onchoose
   */
  constructor(root, nameOf, onchoose) {
    this.root = root;
    this.nameOf = nameOf;
    this.list = find(root, "#finding-list", HTMLElement);
    /** @type {Map<string, HTMLElement>} rows by address */
    this.rows = new Map();
    this.chosen = "";
    this.list.addEventListener("click", (event) => {
      const row = /** @type {HTMLElement} */ (event.target).closest("li");
      if (!row?.dataset.at || this.chosen) return;
      this.#choose(row.dataset.at);
      onchoose(row.dataset.at);
    });
  }

  open() {
    this.chosen = "";
    this.rows.clear();
    this.list.replaceChildren();
    this.root.hidden = false;
  }

  close() {
    this.root.hidden = true;
  }

  /** @param {readonly Candidate[]} places likeliest first */
  show(places) {
    if (this.chosen) return;
    // While one is about to be chosen the rows stay where they are, and what is new comes after them.
    const held = this.list.matches(":hover, :focus-within");
    const listed = new Set(places.map(({ at }) => at));
    for (const [at, row] of this.rows) {
      if (listed.has(at) || held) continue;
      row.remove();
      this.rows.delete(at);
    }
    for (const place of places) {
      const row = this.rows.get(place.at) ?? candidateRow(place);
      if (!this.rows.has(place.at) || !held) this.list.append(row);
      this.rows.set(place.at, row);
      row.style.setProperty("--p", place.p.toFixed(2));
    }
    this.retell();
  }

  /** Names the surahs again, as after a change of language. */
  retell() {
    for (const [at, row] of this.rows) {
      const [surah, ayah] = at.split(":").map(Number);
      find(row, ".candidate-at", HTMLElement).textContent = `${this.nameOf(surah)} ${number(ayah)}`;
    }
  }

  /** @param {string} at */
  #choose(at) {
    this.chosen = at;
    for (const [each, row] of this.rows) {
      const button = find(row, "button", HTMLButtonElement);
      button.setAttribute("aria-pressed", String(each === at));
      button.disabled = each !== at;
    }
  }
}

/** @param {Candidate} place */
function candidateRow({ at, text }) {
  const row = document.createElement("li");
  row.dataset.at = at;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "candidate";
  const opening = document.createElement("span");
  opening.className = "candidate-text";
  opening.lang = "ar";
  opening.dir = "rtl";
  opening.translate = false;
  opening.textContent = text;
  const where = document.createElement("span");
  where.className = "candidate-at";
  button.append(opening, where);
  row.append(button);
  return row;
}
