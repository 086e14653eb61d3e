/** The dialog in which the settings of the reading are chosen; a choice holds at once. */
import { closable } from "./closable.js";
import { number, t } from "./i18n.js";
import { part } from "./parts.js";
import { find } from "./picker.js";
import { ANY, CHOICES, USUAL, choose, keepReading, keptReading } from "./reading.js";

/** @typedef {import("./reading.js").Reading} Reading */
/** @typedef {import("./reading.js").Setting} Setting */

export class ReadingDialog {
  /** @param {HTMLDialogElement} dialog @param {(reading: Reading) => void} onchange */
  constructor(dialog, onchange) {
    this.dialog = dialog;
    this.onchange = onchange;
    this.reading = keptReading();
    this.list = find(dialog, "#reading-list", HTMLElement);
    this.refused = find(dialog, "#reading-refused", HTMLElement);
    this.list.addEventListener("change", (event) => {
      const input = /** @type {HTMLInputElement} */ (event.target);
      this.#take(choose(this.reading, /** @type {Setting} */ (input.name), input.value));
    });
    find(dialog, "#reading-usual", HTMLButtonElement).addEventListener("click", () => this.#take({ ...USUAL }));
    closable(dialog, find(dialog, "#reading-close", HTMLButtonElement));
  }

  /** The server remembers another choice.  @param {Reading} reading */
  adopt(reading) {
    this.reading = reading;
    keepReading(reading);
  }

  open() {
    this.list.replaceChildren(...Object.entries(CHOICES).map(([setting, values]) => settingRow(setting, values)));
    this.#show();
    this.dialog.showModal();
  }

  /** The server would not read so.  @param {string} why in its own words */
  refuse(why) {
    this.refused.textContent = t("reading_refused", { text: why });
    this.refused.hidden = false;
  }

  /** @param {Reading} reading */
  #take(reading) {
    this.reading = reading;
    this.refused.hidden = true;
    this.#show();
    keepReading(reading);
    this.onchange(reading);
  }

  #show() {
    for (const input of this.list.querySelectorAll("input")) {
      input.checked = this.reading[/** @type {Setting} */ (input.name)] === input.value;
    }
  }
}

/** @param {string} setting @param {readonly string[]} values */
function settingRow(setting, values) {
  const row = part("setting", undefined, "fieldset");
  const choices = part("setting-choices");
  for (const value of values) {
    const label = part("setting-choice", undefined, "label");
    const input = document.createElement("input");
    input.type = "radio";
    input.name = setting;
    input.value = value;
    label.append(input, part("", value === ANY ? t("any_length") : number(Number(value)), "span"));
    choices.append(label);
  }
  row.append(part("setting-name", t(`reading_${setting}`), "legend"));
  row.append(part("setting-note", t(`reading_${setting}_note`), "p"), choices);
  return row;
}
