/**
 * Paints the text and what became of it.  `render` builds one span a word; after that `touch` marks words and `frame`,
 * called once per animation frame, rewrites only those.  Letters are marked with the CSS Custom Highlight API, which
 * leaves the shaping of the script alone; without it, marks stay on whole words.
 *
 * Words that are recited from memory are laid out like all others and not painted, so nothing moves when they appear.
 *
 * @typedef {import("./messages.js").Passage} Passage
 * @typedef {import("./messages.js").Surah} Surah
 * @typedef {import("./follow.js").Follow} Follow
 */
import { Chips } from "./chips.js";
import { markOf, statusOf } from "./follow.js";
import { firstLetters } from "./hifz.js";
import { language, number, t } from "./i18n.js";
import { splitAddress } from "./passage.js";
import { broken, gravest } from "./rules.js";
import { ruleName } from "./rule_words.js";

const BASMALA = "بِسْمِ ٱللَّهِ ٱلرَّحْمَـٰنِ ٱلرَّحِيمِ";

/** After the reader scrolls by hand the page leaves them alone for this long. */
const HANDS_OFF_MS = 5000;

/** The current line is kept between these parts of the free height. */
const BAND_TOP = 0.18;
const BAND_BOTTOM = 0.62;

/** Painted in this order: a rule's mark lies over that of a letter. */
const HIGHLIGHTS = /** @type {const} */ (["said", "low", "slip", "hint", "advice", "error", "replay"]);

/** Statuses that ask for a look, and so can be reached with the keyboard. */
const ASKING = new Set(["questioned", "wrong", "unclear"]);

export class MushafView {
  /**
   * @param {HTMLElement} root @param {boolean} still no gliding and no smooth scrolling
   * @param {(index: number) => import("./hifz.js").Veil} veil how much of a word is to be seen
   */
  constructor(root, still, veil) {
    this.root = root;
    this.still = still;
    this.veil = veil;
    /** @type {HTMLElement[]} */
    this.spans = [];
    /** @type {Passage|null} */
    this.passage = null;
    /** @type {Set<number>} */
    this.dirty = new Set();
    /** @type {Map<number, Range[]>} letter ranges shown now, by word */
    this.marked = new Map();
    this.glide = document.createElement("span");
    this.glide.className = "glide";
    this.glide.setAttribute("aria-hidden", "true");
    this.glideAt = -1;
    this.chips = new Chips(root);
    this.handledAt = -HANDS_OFF_MS;
    this.letters = typeof Highlight === "function" && "highlights" in CSS;
    root.classList.toggle("whole-words", !this.letters);
    /** @type {Map<string, Highlight>} */
    this.highlights = new Map();
    for (const name of HIGHLIGHTS) {
      if (!this.letters) break;
      const highlight = new Highlight();
      highlight.priority = this.highlights.size;
      this.highlights.set(name, highlight);
      CSS.highlights.set(`tq-${name}`, highlight);
    }
    for (const kind of ["wheel", "touchmove"]) {
      addEventListener(kind, () => (this.handledAt = performance.now()), { passive: true });
    }
    new ResizeObserver(() => this.#placeGlide()).observe(root);
  }

  /** @param {Passage} passage @param {readonly Surah[]} surahs */
  render(passage, surahs) {
    this.clear();
    this.passage = passage;
    const page = document.createDocumentFragment();
    let text = /** @type {HTMLElement|null} */ (null);
    let surahNow = 0;
    passage.words.forEach((word, index) => {
      const [surah, ayah] = splitAddress(word.at);
      if (surah !== surahNow || !text) {
        surahNow = surah;
        text = this.#openSurah(page, surahs[surah - 1], ayah);
      }
      const next = passage.words[index + 1];
      const closes = !next || next.at.split(":")[1] !== String(ayah) || splitAddress(next.at)[0] !== surah;
      const span = wordSpan(word.at, word.text, index);
      this.spans.push(span);
      if (closes) text.append(withMarker(span, ayah), " ");
      else text.append(span, " ");
    });
    this.root.append(page);
    this.retitle(surahs);
  }

  /** Shows no text. */
  clear() {
    this.passage = null;
    this.spans = [];
    this.dirty.clear();
    this.marked.clear();
    this.glideAt = -1;
    this.chips.clear();
    for (const highlight of this.highlights.values()) highlight.clear();
    this.root.replaceChildren(this.glide);
    this.glide.classList.remove("seen");
  }

  /** @param {DocumentFragment} page @param {Surah} surah @param {number} ayah the first shown */
  #openSurah(page, surah, ayah) {
    const head = document.createElement("h2");
    head.className = "cartouche";
    head.dataset.surah = String(surah.surah);
    head.innerHTML = CARTOUCHE;
    const name = document.createElement("span");
    name.className = "cartouche-name";
    name.textContent = `سُورَةُ ${surah.name}`;
    const gloss = document.createElement("span");
    gloss.className = "cartouche-gloss";
    head.append(name);
    page.append(head, gloss);
    if (ayah === 1 && surah.surah !== 1 && surah.surah !== 9) {
      const basmala = document.createElement("p");
      basmala.className = "basmala";
      basmala.textContent = BASMALA;
      page.append(basmala);
    }
    const text = document.createElement("p");
    text.className = "text";
    page.append(text);
    return text;
  }

  /** The Latin name under each cartouche, in English only.  @param {readonly Surah[]} surahs */
  retitle(surahs) {
    for (const gloss of this.root.querySelectorAll(".cartouche-gloss")) {
      const head = /** @type {HTMLElement} */ (gloss.previousElementSibling);
      const surah = surahs[Number(head.dataset.surah) - 1];
      const english = language() === "en";
      gloss.textContent = english ? `Surah ${surah.latin}` : "";
      gloss.setAttribute("lang", "en");
      gloss.setAttribute("dir", "ltr");
    }
  }

  /** @param {Iterable<number>} words */
  touch(words) {
    for (const index of words) this.dirty.add(index);
  }

  /** Everything is painted again, as after a new start.  */
  touchAll() {
    for (let index = 0; index < this.spans.length; index++) this.dirty.add(index);
  }

  /** @param {Follow} follow */
  frame(follow) {
    if (this.dirty.size === 0) return;
    for (const index of this.dirty) this.#paint(follow, index);
    this.dirty.clear();
    if (follow.here !== this.glideAt) {
      this.glideAt = follow.here;
      this.#placeGlide();
      this.#keepInSight();
    }
  }

  /** @param {Follow} follow @param {number} index */
  #paint(follow, index) {
    const span = this.spans[index];
    const status = statusOf(follow, index);
    const word = follow.words[index];
    span.dataset.status = status;
    const rules = this.veil(index) === "open" ? broken(word.rules) : [];
    const grave = gravest(rules);
    if (grave) span.dataset.rule = grave;
    else delete span.dataset.rule;
    const asked = ASKING.has(status) ? [describe(word.verdict, status)] : [];
    if (word.overruled) asked.push(t("overruled"));
    offer(span, [...asked, ...rules.map(({ rule }) => ruleName(rule))]);
    span.classList.toggle("omitted", word.verdict === "omitted");
    span.classList.toggle("mended", word.mended);
    span.classList.toggle("overruled", word.overruled);
    this.#hide(span, index);
    if (this.letters) this.#markLetters(follow, index);
  }

  /** @param {HTMLElement} span @param {number} index */
  #hide(span, index) {
    const veil = this.veil(index);
    const parts = veil === "letters" && this.letters;
    span.classList.toggle("veiled", veil === "hidden");
    span.classList.toggle("hinted", parts);
    if (veil === "hidden" || parts) span.setAttribute("aria-hidden", "true");
    else span.removeAttribute("aria-hidden");
  }

  /** @param {Follow} follow @param {number} index */
  #markLetters(follow, index) {
    for (const range of this.marked.get(index) ?? []) {
      for (const highlight of this.highlights.values()) highlight.delete(range);
    }
    this.marked.delete(index);
    const word = follow.words[index];
    const phones = this.passage?.words[index].phones ?? [];
    /** @type {Range[]} */
    const ranges = [];
    const add = (/** @type {string} */ name, /** @type {number} */ from, /** @type {number} */ to) => {
      const range = letterRange(this.spans[index], from, to);
      if (!range) return;
      this.highlights.get(name)?.add(range);
      ranges.push(range);
    };
    const veil = this.veil(index);
    if (veil === "letters") add("hint", 0, firstLetters(word.text));
    const tone = word.verdict === "wrong" ? "slip" : "low";
    for (let phone = 0; phone < word.phones.length && veil === "open"; phone++) {
      if (!markOf(word, phone)) continue;
      const letters = word.phones[phone]?.letters ?? phones[phone]?.letters;
      if (letters) add(tone, letters[0], letters[1]);
    }
    for (const { severity, letters } of veil === "open" ? broken(word.rules) : []) {
      add(severity, letters[0], letters[1]);
    }
    this.spans[index].classList.toggle("lettered", ranges.length > 0 && ASKING.has(statusOf(follow, index)));
    if (index === follow.here && word.verdict === null && veil === "open" && follow.phone >= 0 && phones.length > 0) {
      const reached = phones[Math.min(follow.phone, phones.length - 1)];
      add("said", 0, reached.letters[1]);
    }
    if (ranges.length) this.marked.set(index, ranges);
  }

  /**
   * Names a rule beside the word that broke it, for a moment.
   * @param {Follow} follow @param {import("./rules.js").RuleHeard} rule
   */
  name(follow, rule) {
    const index = follow.places.get(rule.at) ?? -1;
    const span = this.spans[index];
    const grave = gravest([rule]);
    if (!span || !grave) return;
    const others = broken(follow.words[index].rules).length - 1;
    this.chips.show(span, ruleName(rule.rule) + (others ? ` +${number(others)}` : ""), grave);
  }

  #placeGlide() {
    const span = this.spans[this.glideAt];
    this.glide.classList.toggle("seen", span !== undefined);
    if (!span) return;
    const left = span.offsetLeft;
    const top = span.offsetTop;
    const style = this.glide.style;
    style.width = `${span.offsetWidth}px`;
    style.height = `${span.offsetHeight}px`;
    style.transform = `translate(${left}px, ${top}px)`;
  }

  #keepInSight() {
    const span = this.spans[this.glideAt];
    if (!span || performance.now() - this.handledAt < HANDS_OFF_MS) return;
    const box = span.getBoundingClientRect();
    const free = innerHeight;
    if (box.top > free * BAND_TOP && box.bottom < free * BAND_BOTTOM) return;
    this.scrollTo(this.glideAt);
  }

  /** @param {number} index */
  scrollTo(index) {
    const box = this.spans[index]?.getBoundingClientRect();
    if (!box) return;
    scrollTo({ top: scrollY + box.top - innerHeight * 0.3, behavior: this.still ? "instant" : "smooth" });
  }

  /**
   * The cursor of one's own voice heard again, up to a letter.
   * @param {number} index of the word, -1 for none @param {number} letters characters said of it
   */
  replay(index, letters) {
    for (const span of this.root.querySelectorAll(".replayed")) span.classList.remove("replayed");
    const highlight = this.highlights.get("replay");
    highlight?.clear();
    const span = this.spans[index];
    if (!span) return;
    span.classList.add("replayed");
    const range = letterRange(span, 0, letters);
    if (range) highlight?.add(range);
  }

  /** @param {number} index lets the eye find a word  */
  point(index) {
    const span = this.spans[index];
    if (!span) return;
    this.scrollTo(index);
    span.classList.add("pointed");
    setTimeout(() => span.classList.remove("pointed"), 1600);
  }
}

/** @param {import("./messages.js").Verdict|null} verdict @param {string} status */
export function describe(verdict, status) {
  if (verdict === "omitted") return t("wrong_omitted");
  return t(status === "unclear" ? "unclear_word" : status);
}

/** Lets the keyboard reach a word that has something to tell.  @param {HTMLElement} span @param {string[]} told */
function offer(span, told) {
  if (told.length) {
    span.tabIndex = 0;
    span.setAttribute("role", "button");
    span.setAttribute("aria-description", told.join(", "));
  } else {
    for (const name of ["tabindex", "role", "aria-description"]) span.removeAttribute(name);
  }
}

/** @param {string} at @param {string} text @param {number} index */
function wordSpan(at, text, index) {
  const span = document.createElement("span");
  span.className = "w";
  span.dataset.at = at;
  span.dataset.status = "pending";
  span.dataset.index = String(index);
  span.textContent = text;
  return span;
}

/** The end-of-ayah sign never begins a line.  @param {HTMLElement} span @param {number} ayah */
function withMarker(span, ayah) {
  const together = document.createElement("span");
  together.className = "together";
  const marker = document.createElement("span");
  marker.className = "ayah-end";
  marker.setAttribute("role", "img");
  marker.setAttribute("aria-label", `آية ${number(ayah, "ar")}`);
  marker.textContent = `\u06dd${number(ayah, "ar")}`;
  together.append(span, "\u00a0", marker);
  return together;
}

/**
 * The letters from `from` to `to`, widened to whole letters with their marks.
 * @param {HTMLElement} span @param {number} from @param {number} to @returns {Range|null}
 */
function letterRange(span, from, to) {
  const node = span.firstChild;
  if (!node || !node.nodeValue || from >= to) return null;
  const text = node.nodeValue;
  let start = Math.min(from, text.length - 1);
  let end = Math.min(to, text.length);
  while (start > 0 && isMark(text, start)) start--;
  while (end < text.length && isMark(text, end)) end++;
  const range = document.createRange();
  range.setStart(node, start);
  range.setEnd(node, end);
  return range;
}

/** @param {string} text @param {number} index */
function isMark(text, index) {
  return /\p{M}/u.test(text[index]);
}

/** The head-piece of a surah: a lobed panel between two rosettes, after the mushafs of the Maghrib. */
const ROSETTE = `<g class="rosette"><rect x="-13" y="-13" width="26" height="26"/>
<rect x="-13" y="-13" width="26" height="26" transform="rotate(45)"/><circle r="9"/><circle r="3.2" class="seed"/></g>`;
const CARTOUCHE = `<svg viewBox="0 0 640 96" aria-hidden="true" focusable="false">
<rect class="ground" x="1" y="1" width="638" height="94" rx="4"/>
<rect class="rule" x="6.5" y="6.5" width="627" height="83" rx="2"/>
<g transform="translate(49 48)">${ROSETTE}</g><g transform="translate(591 48)">${ROSETTE}</g>
<path class="panel" d="M86 48c11-2 17-8 19-16 2-9 9-14 19-14h392c10 0 17 5 19 14 2 8 8 14 19 16-11 2-17 8-19 16-2 9-9
14-19 14H124c-10 0-17-5-19-14-2-8-8-14-19-16z"/>
<path class="inner" d="M97 48c9-3 14-9 16-16 2-6 6-9 13-9h388c7 0 11 3 13 9 2 7 7 13 16 16-9 3-14 9-16 16-2 6-6 9-13
9H126c-7 0-11-3-13-9-2-7-7-13-16-16z"/>
</svg>`;
