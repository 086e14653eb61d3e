/**
 * Sessions of the student that the server keeps, newest first.  One that is opened shows its words as they were judged:
 * only the ayat of which something was heard.
 *
 * @typedef {import("./kept.js").SessionLine} SessionLine
 * @typedef {import("./kept.js").WordLine} WordLine
 */
import { lookOf } from "./follow.js";
import { moment, t } from "./i18n.js";
import { askKept, figuresOf } from "./kept.js";
import { describe } from "./mushaf_view.js";
import { part } from "./parts.js";
import { fetchPassage, splitAddress } from "./passage.js";

const SHOWN = 10;

export class PastSessions {
  /** @param {string} token empty for none @param {(verses: string) => string} passageName */
  constructor(token, passageName) {
    this.token = token;
    this.passageName = passageName;
  }

  /** @returns {Promise<HTMLElement[]>} nothing where there are none */
  async list() {
    const { sessions, next } = await this.#page("");
    if (sessions.length === 0) return [];
    const list = part("past", undefined, "ul");
    list.append(...sessions.map((line) => this.#row(line)));
    return next === null ? [list] : [list, this.#more(list, next)];
  }

  /** @param {string} before @returns {Promise<{sessions: SessionLine[], next: number|null}>} */
  #page(before) {
    return askKept(`history?limit=${SHOWN}${before}`, this.token);
  }

  /** @param {HTMLElement} list @param {number} before */
  #more(list, before) {
    const button = part("quiet", t("past_more"), "button");
    button.addEventListener("click", async () => {
      try {
        const { sessions, next } = await this.#page(`&before=${before}`);
        const rows = sessions.map((line) => this.#row(line));
        list.append(...rows);
        rows[0]?.querySelector("summary")?.focus();
        if (next === null) button.remove();
        else button.replaceWith(this.#more(list, next));
      } catch {
        // The server is away: the button stays, and may be pressed again.
      }
    });
    return button;
  }

  /** @param {SessionLine} line */
  #row(line) {
    const item = part("", undefined, "li");
    const details = part("past-session", undefined, "details");
    const head = part("past-head", undefined, "summary");
    head.append(
      part("past-name", this.passageName(line.verses), "span"),
      part("past-when", moment(line.began), "span"),
      part("past-told", t("past_told", figuresOf(line)), "span"),
    );
    const body = part("past-body");
    details.append(head, body);
    details.addEventListener("toggle", () => void this.#open(line, body), { once: true });
    item.append(details);
    return item;
  }

  /** @param {SessionLine} line @param {HTMLElement} body */
  async #open(line, body) {
    body.append(part("progress-note", t("connecting_hint"), "p"));
    try {
      /** @type {{words: WordLine[]}} */
      const { words } = await askKept(`history/${encodeURIComponent(line.session)}`, this.token);
      const passages = await Promise.all(stretches(words).map(fetchPassage));
      body.replaceChildren(...wordsJudged(words, passages.flatMap((passage) => passage.words)));
    } catch {
      body.replaceChildren(part("progress-note", t("progress_failed"), "p"));
    }
  }
}

/** @param {readonly WordLine[]} words @returns {string[]} a reference for each surah, from its first ayah to its last */
export function stretches(words) {
  /** @type {Map<number, [first: number, last: number]>} */
  const surahs = new Map();
  for (const { at } of words) {
    const [surah, ayah] = splitAddress(at);
    const [first, last] = surahs.get(surah) ?? [ayah, ayah];
    surahs.set(surah, [Math.min(first, ayah), Math.max(last, ayah)]);
  }
  return [...surahs].map(([surah, [first, last]]) => `${surah}:${first}-${last}`);
}

/**
 * @param {readonly WordLine[]} words @param {readonly import("./messages.js").TextWord[]} texts
 * @returns {HTMLElement[]} the text, and the words in it that were not accepted
 */
export function wordsJudged(words, texts) {
  const judged = new Map(words.map((word) => [word.at, word.status]));
  const heard = new Set(words.map(({ at }) => ayahOf(at)));
  const text = part("past-words", undefined, "p");
  text.lang = "ar";
  text.dir = "rtl";
  const asked = part("past-asked", undefined, "ul");
  for (const word of texts) {
    if (!heard.has(ayahOf(word.at))) continue;
    const verdict = judged.get(word.at) ?? null;
    const status = verdict === null ? "pending" : lookOf(verdict);
    const span = part(verdict === "omitted" ? "w omitted" : "w", word.text, "span");
    span.dataset.status = status;
    text.append(span, " ");
    if (verdict === null || verdict === "accepted") continue;
    const item = part("", undefined, "li");
    const name = part("past-word", word.text, "span");
    name.lang = "ar";
    item.append(name, part("", describe(verdict, status), "span"));
    asked.append(item);
  }
  if (!words.length) return [part("progress-note", t("nothing_heard"), "p")];
  return asked.childElementCount ? [text, asked] : [text];
}

/** @param {string} at @returns {string} */
function ayahOf(at) {
  return at.slice(0, at.lastIndexOf(":"));
}
