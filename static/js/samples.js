/**
 * The dialog in which a made recitation is chosen.
 *
 * @typedef {import("./messages.js").Sample} Sample
 */
import { closable } from "./closable.js";
import { number, t } from "./i18n.js";
import { parseRef } from "./passage.js";
import { find } from "./picker.js";

export class SamplesDialog {
  /** @param {HTMLDialogElement} dialog @param {(sample: Sample) => void} onpick */
  constructor(dialog, onpick) {
    this.dialog = dialog;
    this.onpick = onpick;
    this.list = find(dialog, "#samples-list", HTMLElement);
    closable(dialog, find(dialog, "#samples-close", HTMLButtonElement));
  }

  /**
   * @param {readonly Sample[]} samples @param {readonly import("./messages.js").Surah[]} surahs
   * @param {(surah: number) => string} nameOf a surah in the page's language
   */
  open(samples, surahs, nameOf) {
    this.list.replaceChildren(...samples.map((sample) => this.#row(sample, surahs, nameOf)));
    if (!samples.length) this.list.textContent = t("no_samples");
    this.dialog.showModal();
  }

  /**
   * @param {Sample} sample @param {readonly import("./messages.js").Surah[]} surahs
   * @param {(surah: number) => string} nameOf
   */
  #row(sample, surahs, nameOf) {
    const range = parseRef(sample.verses);
    const row = document.createElement("button");
    row.className = "sample";
    const title = document.createElement("span");
    title.className = "sample-name";
    title.textContent = sample.title ?? (range ? nameOf(range.surah) : sample.verses);
    const ref = document.createElement("bdi");
    ref.className = "sample-ref";
    if (range) ref.textContent = ayatRange(range.first, range.last || surahs[range.surah - 1].ayat);
    row.append(title, ref);
    row.addEventListener("click", () => {
      this.dialog.close();
      this.onpick(sample);
    });
    return row;
  }
}

/** @param {number} first @param {number} last @returns {string} */
export function ayatRange(first, last) {
  return first === last ? number(first) : `${number(first)}–${number(last)}`;
}
