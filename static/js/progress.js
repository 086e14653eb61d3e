/** The student's own progress, in a dialog, where the server keeps any; and the reading that the server remembers. */
import { closable } from "./closable.js";
import { t } from "./i18n.js";
import { askKept, ofDays } from "./kept.js";
import { part } from "./parts.js";
import { PastSessions } from "./past_sessions.js";
import { find } from "./picker.js";
import { progressParts, section } from "./progress_view.js";
import { fetchRuleNames } from "./rule_words.js";

export class ProgressDialog {
  /**
   * @param {HTMLElement} page @param {string} token empty for none
   * @param {{ayahName: (at: string) => string, passageName: (verses: string) => string}} names
   * @param {(at: string) => void} open opens an ayah that is due
   */
  constructor(page, token, names, open) {
    this.dialog = find(page, "#progress", HTMLDialogElement);
    this.button = find(page, "#progress-open", HTMLElement);
    this.body = find(page, "#progress-body", HTMLElement);
    this.token = token;
    this.names = names;
    this.past = new PastSessions(token, names.passageName);
    this.openAyah = open;
    this.button.addEventListener("click", () => void this.open());
    closable(this.dialog, find(page, "#progress-close", HTMLElement));
  }

  /**
   * Show the way to it where the server keeps something of whoever is here.
   * @returns {Promise<string|null>} the settings of the reading that the server remembers; null: none
   */
  async offer() {
    try {
      const { kept, reading } = await askKept("settings", this.token);
      this.button.hidden = !kept;
      return reading;
    } catch {
      return null; // The server is away: the page says so itself.
    }
  }

  /** @param {string} reading chosen outside a session */
  keepReading(reading) {
    if (this.button.hidden) return;
    const body = JSON.stringify({ reading });
    // What cannot be kept now is sent with the next session.
    void askKept("settings", this.token, { method: "PUT", body }).catch(() => {});
  }

  async open() {
    this.body.replaceChildren(part("progress-note", t("connecting_hint"), "p"));
    if (!this.dialog.open) this.dialog.showModal();
    try {
      const [progress, past] = await Promise.all([
        askKept(`progress?${ofDays()}`, this.token), this.past.list(), fetchRuleNames(),
      ]);
      const open = (/** @type {string} */ at) => {
        this.dialog.close();
        this.openAyah(at);
      };
      const { ayahName } = this.names;
      const parts = progressParts(progress, Date.now(), { ayahName, open });
      if (past.length) parts.push(section(t("past"), ...past));
      this.body.replaceChildren(...parts, this.#foot());
    } catch {
      this.body.replaceChildren(part("progress-note", t("progress_failed"), "p"));
    }
  }

  /** @returns {HTMLElement} deletion, asked for twice */
  #foot() {
    const foot = part("progress-foot");
    const note = part("progress-note", t("progress_kept"), "p");
    const button = part("quiet", t("progress_delete"), "button");
    button.addEventListener("click", () => {
      if (button.dataset.sure !== "true") {
        button.dataset.sure = "true";
        button.textContent = t("progress_delete_sure");
        return;
      }
      void this.#delete();
    });
    foot.append(note, button);
    return foot;
  }

  async #delete() {
    try {
      await askKept("history", this.token, { method: "DELETE" });
      await this.open();
    } catch {
      this.body.replaceChildren(part("progress-note", t("progress_failed"), "p"));
    }
  }
}
