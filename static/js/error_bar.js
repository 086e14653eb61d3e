/** The bar that says what went wrong, and offers to try again where that may help. */
import { noteEvent } from "./observe.js";
import { find } from "./picker.js";

export class ErrorBar {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.text = find(root, "#error-text", HTMLElement);
    this.retry = find(root, "#error-retry", HTMLButtonElement);
    find(root, "#error-close", HTMLButtonElement).addEventListener("click", () => this.hide());
  }

  /** @param {string} text @param {(() => void)|null} retry null where trying again is no help */
  show(text, retry) {
    noteEvent("error", { text });
    this.text.textContent = text;
    this.retry.hidden = retry === null;
    this.retry.onclick = () => {
      this.hide();
      retry?.();
    };
    this.root.hidden = false;
  }

  hide() {
    this.root.hidden = true;
  }
}
