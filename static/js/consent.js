/**
 * Whether a teacher may listen.  The student is asked when a teacher would like to, once; what they said holds for as
 * long as the page is open, is kept nowhere, and can be taken back with one press.  Who listens is shown all the while.
 *
 * @typedef {import("./messages.js").Listened} Listened
 */
import { t } from "./i18n.js";
import { noteEvent } from "./observe.js";
import { find } from "./picker.js";

export class Consent {
  /** @param {HTMLElement} root @param {(may: boolean) => void} tell the server */
  constructor(root, tell) {
    this.root = root;
    this.tell = tell;
    this.text = find(root, "#consent-text", HTMLElement);
    this.note = find(root, "#consent-note", HTMLElement);
    this.yes = find(root, "#consent-yes", HTMLButtonElement);
    this.no = find(root, "#consent-no", HTMLButtonElement);
    /** What the student said on this page.  @type {boolean|null} */
    this.said = null;
    /** @type {Listened|null} */
    this.told = null;
    this.yes.addEventListener("click", () => this.#say(true));
    this.no.addEventListener("click", () => this.#say(false));
  }

  /** @param {Listened} told */
  take(told) {
    this.told = told;
    noteEvent("listened", { may: told.may, by: told.by, asked: told.asked });
    // A session made anew has not heard it yet; one that went on through a reload has, and the page has not.
    if (told.may === null && this.said !== null) this.tell(this.said);
    else this.said = told.may;
    this.retell();
  }

  /** The recitation is over: nobody can listen any more. */
  leave() {
    this.told = null;
    this.retell();
  }

  /** Shows how things stand, in the language of the page. */
  retell() {
    const { told } = this;
    const asking = told !== null && told.may === null && told.asked;
    this.root.hidden = told === null || (told.may === null && !asking);
    if (told === null || this.root.hidden) return;
    const listened = told.by.length > 0;
    this.root.dataset.consent = asking ? "asked" : listened ? "listened" : told.may ? "may" : "may_not";
    this.text.textContent = asking ? t("listen_asked") : listened ? t("listened_by", { names: named(told.by) })
      : t(told.may ? "listen_may" : "listen_may_not");
    this.note.textContent = t("listen_note");
    this.note.hidden = !asking;
    this.yes.textContent = t("listen_allow");
    this.yes.hidden = told.may === true;
    this.no.textContent = t(asking ? "listen_refuse" : "listen_stop");
    this.no.hidden = told.may === false;
  }

  /** @param {boolean} may */
  #say(may) {
    this.said = may;
    this.tell(may);
  }
}

/** @param {readonly string[]} names empty for one without @returns {string} */
function named(names) {
  return names.map((name) => name || t("teacher_unnamed")).join("، ");
}
