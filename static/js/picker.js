/** The dialog in which a surah and a range of its ayat are chosen. */
import { closable } from "./closable.js";
import { language, number, t } from "./i18n.js";
import { formatRef, parseRef, searchSurahs, westernDigits } from "./passage.js";

/** @typedef {import("./messages.js").Surah} Surah */

/** Surahs up to this long are offered whole; of longer ones the first ten ayat. */
const WHOLE_UP_TO = 40;
const FIRST_OFFER = 10;

export class Picker {
  /** @param {HTMLDialogElement} dialog @param {(ref: string) => void} onpick @param {() => void} onrecite to be found by it */
  constructor(dialog, onpick, onrecite) {
    this.dialog = dialog;
    this.onpick = onpick;
    /** @type {readonly Surah[]} */
    this.surahs = [];
    this.chosen = 1;
    this.search = find(dialog, "#picker-search", HTMLInputElement);
    this.list = find(dialog, "#picker-list", HTMLElement);
    this.first = find(dialog, "#picker-first", HTMLInputElement);
    this.last = find(dialog, "#picker-last", HTMLInputElement);
    this.title = find(dialog, "#picker-title", HTMLElement);
    this.search.addEventListener("input", () => this.#filter());
    this.search.addEventListener("keydown", (event) => this.#searchKey(event));
    this.list.addEventListener("click", (event) => this.#click(event));
    this.list.addEventListener("dblclick", () => this.#submit());
    this.list.addEventListener("keydown", (event) => this.#listKey(event));
    for (const field of [this.first, this.last]) field.addEventListener("change", () => this.#clamp());
    find(dialog, "#picker-whole", HTMLButtonElement).addEventListener("click", () => this.#whole());
    find(dialog, "form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    find(dialog, "#picker-recite", HTMLButtonElement).addEventListener("click", () => {
      dialog.close();
      onrecite();
    });
    closable(dialog, find(dialog, "#picker-close", HTMLButtonElement));
  }

  /** @param {readonly Surah[]} surahs @param {string} ref shown now */
  open(surahs, ref) {
    this.surahs = surahs;
    this.search.value = "";
    const range = parseRef(ref) ?? { surah: 1, first: 1, last: 0 };
    this.#choose(range.surah, range.first, range.last);
    this.#filter();
    this.dialog.showModal();
    this.list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "center" });
    if (matchMedia("(hover: hover)").matches) this.search.focus();
  }

  #filter() {
    const found = searchSurahs(this.surahs, this.search.value);
    const range = parseRef(this.search.value);
    if (range && found.length) this.#choose(range.surah, range.first, range.last || range.first);
    if (range && found.length && !this.search.value.includes(":")) this.#offer(range.surah);
    this.list.replaceChildren(...found.map((surah) => this.#row(surah)));
    if (!found.length) {
      const none = document.createElement("p");
      none.className = "none";
      none.textContent = t("none_found");
      this.list.append(none);
    }
  }

  /** @param {Surah} surah */
  #row(surah) {
    const row = document.createElement("div");
    row.className = "surah";
    row.setAttribute("role", "option");
    row.dataset.surah = String(surah.surah);
    row.setAttribute("aria-selected", String(surah.surah === this.chosen));
    row.tabIndex = surah.surah === this.chosen ? 0 : -1;
    const star = document.createElement("span");
    star.className = "star";
    star.textContent = number(surah.surah);
    const names = document.createElement("span");
    names.className = "names";
    const arabic = document.createElement("span");
    arabic.className = "arabic";
    arabic.lang = "ar";
    arabic.dir = "rtl";
    arabic.textContent = surah.name;
    const latin = document.createElement("span");
    latin.className = "latin";
    latin.lang = "en";
    latin.textContent = surah.latin;
    names.append(...(language() === "ar" ? [arabic, latin] : [latin, arabic]));
    const count = document.createElement("span");
    count.className = "count";
    count.textContent = number(surah.ayat);
    count.setAttribute("aria-label", t("ayat_count", { n: surah.ayat }));
    row.append(star, names, count);
    return row;
  }

  /** @param {number} surah @param {number} first @param {number} last 0 for the end */
  #choose(surah, first, last) {
    const told = this.surahs[surah - 1];
    this.chosen = surah;
    this.#setRange(Math.min(first, told.ayat), Math.min(last || told.ayat, told.ayat));
    this.title.textContent = language() === "ar" ? `سورة ${told.name}` : told.latin;
    for (const row of this.list.children) {
      const mine = /** @type {HTMLElement} */ (row).dataset.surah === String(surah);
      row.setAttribute("aria-selected", String(mine));
      /** @type {HTMLElement} */ (row).tabIndex = mine ? 0 : -1;
    }
  }

  /** @param {number} surah */
  #offer(surah) {
    const { ayat } = this.surahs[surah - 1];
    this.#choose(surah, 1, ayat <= WHOLE_UP_TO ? ayat : FIRST_OFFER);
  }

  #whole() {
    this.#choose(this.chosen, 1, 0);
  }

  /** @param {number} first @param {number} last */
  #setRange(first, last) {
    this.first.value = number(first);
    this.last.value = number(last);
  }

  /** Brings what was typed within the surah.  @returns {[first: number, last: number]} */
  #clamp() {
    const { ayat } = this.surahs[this.chosen - 1];
    const typed = (/** @type {HTMLInputElement} */ field) => parseInt(westernDigits(field.value), 10) || 1;
    const first = Math.min(Math.max(1, typed(this.first)), ayat);
    const last = Math.min(Math.max(first, typed(this.last)), ayat);
    this.#setRange(first, last);
    return [first, last];
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const row = /** @type {HTMLElement} */ (event.target).closest(".surah");
    if (row instanceof HTMLElement) this.#offer(Number(row.dataset.surah));
  }

  /** @param {KeyboardEvent} event */
  #searchKey(event) {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      const row = this.list.querySelector("[aria-selected=true]") ?? this.list.firstElementChild;
      if (row instanceof HTMLElement) this.#focus(row);
    } else if (event.key === "Enter" && !parseRef(this.search.value)) {
      const row = this.list.querySelector(".surah");
      if (row instanceof HTMLElement && this.search.value) this.#offer(Number(row.dataset.surah));
    }
  }

  /** @param {KeyboardEvent} event */
  #listKey(event) {
    const row = /** @type {HTMLElement} */ (event.target).closest(".surah");
    if (!row) return;
    const to = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (to instanceof HTMLElement) this.#focus(to);
      else if (event.key === "ArrowUp") this.search.focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#submit();
    }
  }

  /** @param {HTMLElement} row */
  #focus(row) {
    if (row.dataset.surah) this.#offer(Number(row.dataset.surah));
    row.focus();
  }

  #submit() {
    const [first, last] = this.#clamp();
    const range = { surah: this.chosen, first, last };
    this.dialog.close();
    this.onpick(formatRef(range, this.surahs[this.chosen - 1].ayat));
  }
}

/**
 * @template {Element} T
 * @param {ParentNode} root @param {string} selector @param {new () => T} type @returns {T}
 */
export function find(root, selector, type) {
  const node = root.querySelector(selector);
  if (!(node instanceof type)) throw new Error(`the page has no ${selector}`);
  return node;
}
