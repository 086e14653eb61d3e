/**
 * The sheet: which passage lies open, what became of its words, and the title above it.
 *
 * @typedef {import("./messages.js").Passage} Passage
 * @typedef {import("./messages.js").Surah} Surah
 */
import { remember } from "./address.js";
import { FindingView } from "./finding.js";
import { beginFollow } from "./follow.js";
import { language, number, t } from "./i18n.js";
import { MushafView } from "./mushaf_view.js";
import { parseRef, splitAddress } from "./passage.js";
import { find } from "./picker.js";
import { ayatRange } from "./samples.js";

export const DEFAULT_VERSES = "1:1-7";

export class Sheet {
  /**
   * @param {HTMLElement} page the whole document's body @param {boolean} still no gliding and no smooth scrolling
   * @param {import("./hifz.js").Hifz} hifz @param {(at: string) => void} onchoose one of the places offered while seeking
   */
  constructor(page, still, hifz, onchoose) {
    this.name = find(page, "#passage-name", HTMLElement);
    this.range = find(page, "#passage-range", HTMLElement);
    this.view = new MushafView(find(page, "#mushaf", HTMLElement), still, (index) => hifz.veil(this.follow, index));
    this.finding = new FindingView(find(page, "#finding", HTMLElement), (surah) => this.surahName(surah), onchoose);
    /** @type {readonly Surah[]} */
    this.surahs = [];
    /** @type {Passage} */
    this.passage = { ref: DEFAULT_VERSES, words: [] };
    this.follow = beginFollow([]);
  }

  /** Lays a passage out, untouched.  @param {Passage} passage */
  lay(passage) {
    this.passage = passage;
    this.reset();
    this.finding.close();
    this.view.render(passage, this.surahs);
    this.view.touchAll();
    scrollTo({ top: 0 });
    remember("verses", passage.ref);
    this.title();
  }

  /** Forgets what became of the words. */
  reset() {
    this.follow = beginFollow(this.passage.words);
  }

  /** The text makes room for the places that the server thinks of.  The passage shown before is kept for coming back. */
  seek() {
    this.follow = beginFollow([]);
    this.view.clear();
    this.finding.open();
    this.title();
  }

  title() {
    const { words } = this.passage;
    if (!words.length) return;
    if (!this.follow.words.length) {
      this.name.textContent = t("finding");
      this.range.textContent = "";
      return;
    }
    const [surah, first] = splitAddress(words[0].at);
    const [end, last] = splitAddress(words[words.length - 1].at);
    this.name.textContent = surah === end ? this.surahName(surah) : `${this.surahName(surah)} – ${this.surahName(end)}`;
    this.range.textContent = surah === end ? ayatRange(first, last) : `${number(first)} – ${number(last)}`;
  }

  /** Says everything again, as after a change of language. */
  retell() {
    this.title();
    this.finding.retell();
    this.view.retitle(this.surahs);
    this.view.touchAll();
  }

  /** @param {number} surah @returns {string} */
  surahName(surah) {
    return language() === "ar" ? this.surahs[surah - 1].name : this.surahs[surah - 1].latin;
  }

  /** @param {string} at `surah:ayah` @returns {string} */
  ayahName = (at) => {
    const [surah, ayah] = splitAddress(at);
    return t("following_hint", { surah: this.surahName(surah), ayah });
  };

  /** @param {string} verses a reference @returns {string} */
  passageName = (verses) => {
    const range = parseRef(verses);
    if (!range) return verses;
    const { surah, first, last } = range;
    return `${this.surahName(surah)} ${ayatRange(first, last || this.surahs[surah - 1].ayat)}`;
  };

  /** @param {string} at @returns {number} index of the word, -1 where it is not on the sheet */
  placeOf(at) {
    return this.follow.places.get(at) ?? -1;
  }
}
