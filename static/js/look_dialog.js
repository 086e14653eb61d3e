/** The dialog for how the page looks and which microphone it hears; a choice holds at once. */
import { closable } from "./closable.js";
import { number, t } from "./i18n.js";
import { SIZES, THEMES, applyLook, keepLook, keptLook, nextSize } from "./look.js";
import { inputs, keepInput, keptInput } from "./microphones.js";
import { part } from "./parts.js";
import { find } from "./picker.js";

/** @typedef {import("./look.js").Look} Look */

export class LookDialog {
  /**
   * @param {HTMLDialogElement} dialog @param {() => void} onlook something looks different now
   * @param {() => void} onmicrophone another one was chosen
   */
  constructor(dialog, onlook, onmicrophone) {
    this.dialog = dialog;
    this.onlook = onlook;
    this.onmicrophone = onmicrophone;
    this.look = keptLook();
    this.size = find(dialog, "#look-size", HTMLOutputElement);
    this.themes = find(dialog, "#look-themes", HTMLElement);
    this.pictures = find(dialog, "#look-pictures", HTMLButtonElement);
    this.microphone = find(dialog, "#look-microphone", HTMLSelectElement);
    find(dialog, "#look-smaller", HTMLButtonElement).addEventListener("click", () => this.resize(-1));
    find(dialog, "#look-larger", HTMLButtonElement).addEventListener("click", () => this.resize(1));
    this.pictures.addEventListener("click", () => this.#take({ ...this.look, pictures: !this.look.pictures }));
    this.themes.addEventListener("change", (event) => {
      const { value } = /** @type {HTMLInputElement} */ (event.target);
      this.#take({ ...this.look, theme: /** @type {import("./look.js").Theme} */ (value) });
    });
    this.microphone.addEventListener("change", () => {
      keepInput(this.microphone.value);
      this.onmicrophone();
    });
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.#listMicrophones());
    closable(dialog, find(dialog, "#look-close", HTMLButtonElement));
    applyLook(this.look);
  }

  open() {
    this.themes.replaceChildren(...THEMES.map((theme) => themeChoice(theme)));
    this.#show();
    void this.#listMicrophones();
    this.dialog.showModal();
  }

  /** @param {1|-1} step */
  resize(step) {
    this.#take({ ...this.look, size: nextSize(this.look.size, step) });
  }

  /** @param {Look} look */
  #take(look) {
    this.look = look;
    applyLook(look);
    keepLook(look);
    this.#show();
    this.onlook();
  }

  #show() {
    const { size, theme, pictures } = this.look;
    this.size.textContent = `${number(Math.round(size * 100))} %`;
    find(this.dialog, "#look-smaller", HTMLButtonElement).disabled = size === SIZES[0];
    find(this.dialog, "#look-larger", HTMLButtonElement).disabled = size === SIZES[SIZES.length - 1];
    this.pictures.setAttribute("aria-checked", String(pictures));
    for (const input of this.themes.querySelectorAll("input")) input.checked = input.value === theme;
  }

  async #listMicrophones() {
    const found = await inputs();
    const usual = new Option(t("microphone_usual"), "");
    this.microphone.replaceChildren(usual, ...found.map(({ id, name }) => new Option(name, id)));
    const kept = keptInput();
    this.microphone.value = found.some(({ id }) => id === kept) ? kept : "";
    find(this.dialog, "#look-microphone-note", HTMLElement).hidden = found.length > 0;
  }
}

/** @param {string} theme */
function themeChoice(theme) {
  const label = part("setting-choice", undefined, "label");
  const input = document.createElement("input");
  input.type = "radio";
  input.name = "theme";
  input.value = theme;
  label.append(input, part("", t(`theme_${theme}`), "span"));
  return label;
}
