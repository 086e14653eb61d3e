/** Who recited in the class before, and how it goes for each: sessions, weak rules and letters, a trend for each rule. */
import { moment, t } from "../i18n.js";
import { askKept, figuresOf, ofDays } from "../kept.js";
import { part } from "../parts.js";
import { progressParts, section } from "../progress_view.js";

/** @typedef {import("../kept.js").StudentLine} StudentLine */
/** @typedef {import("../kept.js").SessionLine} SessionLine */

const SESSIONS_SHOWN = 20;

export class ClassHistory {
  /** @param {HTMLElement} root @param {string} token empty for none @param {(at: string) => string} ayahName */
  constructor(root, token, ayahName) {
    this.root = root;
    this.token = token;
    this.ayahName = ayahName;
    this.className = "";
    /** Of what is shown; an answer to an earlier question is dropped. */
    this.asked = 0;
  }

  /** @param {string} className whose students are listed */
  async list(className) {
    this.className = className;
    await this.#show(async () => {
      const { students } = await askKept(`class/students?${this.#query}`, this.token);
      if (students.length === 0) return [part("progress-note", t("records_none"), "p")];
      const list = part("records-list", undefined, "ul");
      for (const student of students) list.append(this.#row(student));
      return [list];
    });
  }

  /** @param {StudentLine} student */
  #row(student) {
    const item = part("", undefined, "li");
    const button = part("quiet records-row", undefined, "button");
    button.append(part("", nameOfStudent(student), "span"));
    const told = t("records_student", { sessions: student.sessions, minutes: Math.round(student.voice_s / 60) });
    button.append(part("records-when", `${told} · ${moment(student.last)}`, "span"));
    button.addEventListener("click", () => void this.open(student));
    item.append(button);
    return item;
  }

  /** @param {StudentLine} student */
  async open(student) {
    await this.#show(async () => {
      const [progress, history] = await Promise.all([
        askKept(`class/${student.student}/progress?${this.#query}&${ofDays()}`, this.token),
        askKept(`class/${student.student}/history?${this.#query}&limit=${SESSIONS_SHOWN}`, this.token),
      ]);
      const back = part("quiet", t("records_all"), "button");
      back.addEventListener("click", () => void this.list(this.className));
      const sessions = part("records-list", undefined, "ul");
      for (const line of history.sessions) sessions.append(part("", sessionTold(line), "li"));
      return [
        back,
        part("progress-title", nameOfStudent(student), "h2"),
        ...progressParts(progress, Date.now(), { ayahName: this.ayahName, lines: true }),
        section(t("records_sessions"), sessions),
      ];
    });
  }

  get #query() {
    return `class=${encodeURIComponent(this.className)}`;
  }

  /** @param {() => Promise<HTMLElement[]>} make */
  async #show(make) {
    const mine = ++this.asked;
    const shown = part("progress-body");
    try {
      shown.append(...(await make()));
    } catch {
      shown.append(part("progress-note", t("records_failed"), "p"));
    }
    if (mine === this.asked) this.root.replaceChildren(shown);
  }
}

/** @param {StudentLine} student */
function nameOfStudent({ name, student }) {
  return name || t("guest", { n: student });
}

/** @param {SessionLine} line */
function sessionTold(line) {
  return `${moment(line.began)} · ${t("records_session", { verses: line.verses, ...figuresOf(line) })}`;
}
