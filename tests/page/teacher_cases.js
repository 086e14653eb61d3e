/** Cases run in a browser by test_page_modules.py; each leaves one line, as harness.js says. */
import { setLanguage } from "/static/js/i18n.js";
import { MushafView } from "/static/js/mushaf_view.js";
import { statusOf } from "/static/js/follow.js";
import { Ayat, excerpt } from "/static/js/teacher/ayat.js";
import { OpenedSession } from "/static/js/teacher/opened.js";
import { TilesView, countOf, linkOf, nameOfTile, whatOf } from "/static/js/teacher/tiles.js";
import { takeToken } from "/static/js/teacher/token.js";
import { WordChoice } from "/static/js/teacher/word_choice.js";
import { addWords } from "/static/js/teacher/words.js";
import { equal, report } from "./harness.js";

addWords();
setLanguage("en");

const phone = (unit, start) => ({ unit, letters: [start, start + 1] });
const word = (n) => ({ at: `112:1:${n}`, text: `قُل${n}`, phones: [phone("ق", 0), phone("ُ", 1)] });
const TEXT = { ref: "112", words: [1, 2, 3, 4].map(word) };
const SURAHS = Array.from({ length: 114 }, (_, n) => ({ surah: n + 1, name: `س${n + 1}`, latin: `S${n + 1}`, ayat: 4 }));

// The server's answers, made up here: the cases run without one.
globalThis.fetch = async (url) => new Response(url.startsWith("/api/verses") ? JSON.stringify(TEXT) : "{}");

function element(tag = "div") {
  const root = document.createElement(tag);
  document.body.append(root);
  return root;
}
const tile = (fields) => ({ session: "a", name: "Bilal", number: 3, since: 1.7e9, verses: "112", at: null, state: "waiting",
  accepted: 0, questioned: 0, wrong: 0, unclear: 0, slips: [], loss: 0, silent_s: 0, ...fields });
let seq = 0;
const rows = (fields) => ({ type: "rows", session: "a", seq: ++seq, sample: 0, cursor: null, speech: true,
  state: "following", phones: [], words: [], rules: [], overruled: [], harakah_ms: null, late_ms: 100, ...fields });
const verdict = (id, n, status) => [id, `112:1:${n}`, 100, 900, 0.9, status];

async function openedSession(doubted = []) {
  const view = new MushafView(element(), true, () => "open");
  const opened = new OpenedSession("a", view, () => SURAHS, (index) => doubted.push(index));
  await opened.turnTo("112");
  return opened;
}
const statuses = (opened) => opened.follow.words.map((_, index) => statusOf(opened.follow, index)).join(" ");

const cases = {
  an_excerpt_keeps_the_word_in_its_middle() {
    const words = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    equal(excerpt(words, 5, 2), { words: [3, 4, 5, 6, 7], here: 2, before: true, after: true });
    equal(excerpt(words, 0, 2), { words: [0, 1, 2, 3, 4], here: 0, before: false, after: true });
    equal(excerpt(words, 9, 2), { words: [5, 6, 7, 8, 9], here: 4, before: true, after: false });
    equal(excerpt([1, 2], 1, 2), { words: [1, 2], here: 1, before: false, after: false });
  },
  slips_are_told_in_words() {
    equal(whatOf({ at: "112:1:1", status: "questioned", expected: "ص", heard: "س" }), "sīn for ṣād");
    equal(whatOf({ at: "112:1:1", status: "questioned", expected: "ص", heard: "" }), "nothing heard for ṣād");
    equal(whatOf({ at: "112:1:1", status: "omitted" }), "skipped");
    equal(whatOf({ at: "112:1:1", status: "wrong" }), "the whole word");
  },
  a_connection_is_good_until_it_is_not() {
    equal(linkOf(tile({ loss: 0.02, silent_s: 4 })).quality, "good");
    equal(linkOf(tile({ loss: 0.08 })), { text: "8 % of the sound is lost", quality: "loss" });
    equal(linkOf(tile({ loss: 0.5, silent_s: 12 })), { text: "No sound for 12 s", quality: "silent" });
  },
  guests_and_numbers() {
    equal([nameOfTile(tile({})), nameOfTile(tile({ name: "" }))], ["Bilal", "Guest 3"]);
    equal([0, 1, 2].map(countOf), ["Nobody is reciting", "1 is reciting", "2 are reciting"]);
  },
  async a_tile_shows_place_words_and_slips_and_keeps_its_button() {
    const opened = [];
    const ayat = new Ayat(() => {});
    const view = new TilesView(element("ul"), ayat, (surah) => `S${surah}`, (session) => opened.push(session));
    equal(view.put(tile({ verses: "auto" })), true);
    view.frame();
    const [item] = view.root.children;
    const button = item.querySelector("button");
    equal(item.querySelector(".pupil-place").textContent, "Place not known yet");
    ayat.of("112:1:1");
    while (!ayat.word("112:1:1")) await new Promise((resolve) => setTimeout(resolve));
    const slip = { at: "112:1:1", status: "questioned", expected: "ص", heard: "س" };
    equal(view.put(tile({ at: "112:1:2", state: "following", accepted: 3, questioned: 1, slips: [slip] })), false);
    view.frame();
    equal(item.querySelector(".pupil-place").textContent, "S112, ayah 1");
    equal(item.querySelector("mark").textContent, "قُل2");
    equal(item.querySelector("[role=img]").ariaLabel, "3 accepted, 1 questioned, 0 wrong, 0 unclear");
    equal([...item.querySelectorAll(".piece")].map((piece) => piece.dataset.status), ["accepted", "questioned"]);
    equal(item.querySelector(".pupil-slip").textContent, "قُل1sīn for ṣād");
    equal(item.querySelector("button") === button, true, "focus is not lost");
    button.click();
    view.mark("a");
    equal([opened, button.getAttribute("aria-current")], [["a"], "true"]);
    equal([view.remove("a").session, view.size, view.root.childElementCount], ["a", 0, 0]);
  },
  async a_name_is_text_whatever_is_in_it() {
    const view = new TilesView(element("ul"), new Ayat(() => {}), String, () => {});
    view.put(tile({ name: "<img src=x onerror=alert(1)>" }));
    view.frame();
    equal([view.root.querySelector("img"), view.root.querySelector("button").textContent], [null, "<img src=x onerror=alert(1)>"]);
  },
  async rows_that_come_before_the_text_are_not_lost() {
    const opened = new OpenedSession("a", new MushafView(element(), true, () => "open"), () => SURAHS, () => {});
    const turned = opened.turnTo("112");
    opened.take(rows({ words: [verdict(1, 1, "accepted")], cursor: ["112:1:2", 0, 10] }), 20);
    equal(opened.placed, false);
    await turned;
    equal(statuses(opened), "accepted current pending pending");
    equal(Number.isNaN(opened.delay.median), true, "what was said before it was opened is late by nature");
    opened.take(rows({}), 20);
    equal(opened.delay.median, 120);
  },
  async a_teachers_verdict_stands_whatever_is_recited_after_it() {
    const opened = await openedSession();
    opened.take(rows({ words: [verdict(1, 1, "questioned"), verdict(2, 2, "accepted")] }), 0);
    opened.take(rows({ overruled: [["112:1:1", "wrong", "questioned"], ["112:1:2", "questioned", "accepted"]] }), 0);
    equal(statuses(opened), "wrong questioned pending pending");
    opened.take(rows({ words: [verdict(3, 1, "accepted"), verdict(4, 3, "accepted")] }), 0);
    opened.frame();
    equal(statuses(opened), "wrong questioned accepted pending");
    equal([...opened.view.spans].map((span) => span.classList.contains("overruled")), [true, true, false, false]);
  },
  async only_new_doubts_are_spoken() {
    const doubted = [];
    const opened = await openedSession(doubted);
    opened.take(rows({ words: [verdict(1, 1, "questioned")] }), 0);
    opened.take(rows({ words: [verdict(2, 2, "accepted"), verdict(3, 3, "unclear")] }), 0);
    equal(doubted, [2]);
  },
  async a_passage_turned_to_forgets_the_one_before() {
    const opened = await openedSession();
    opened.take(rows({ words: [verdict(1, 1, "accepted")], overruled: [["112:1:1", "wrong", "accepted"]] }), 0);
    await opened.turnTo("auto");
    equal([opened.seeking, opened.view.spans.length, opened.follow.words.length], [true, 0, 0]);
    await opened.turnTo("112");
    equal(statuses(opened), "pending pending pending pending");
  },
  async arrow_keys_choose_words_from_right_to_left() {
    const opened = await openedSession();
    const { root, spans } = opened.view;
    const [chosen, asked] = [[], []];
    const choice = new WordChoice(root, () => spans, () => 1, (index) => chosen.push(index), (index) => asked.push(index));
    const press = (key) => root.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    for (const key of ["ArrowLeft", "ArrowLeft", "ArrowRight", "End", "ArrowLeft", "Home", "Enter", "a"]) press(key);
    equal([chosen, asked], [[1, 2, 1, 3, 3, 0], [0]]);
    equal(spans.map((span) => span.classList.contains("chosen")), [true, false, false, false]);
    spans[2].click();
    equal([chosen.at(-1), asked.at(-1), root.querySelectorAll(".chosen").length], [2, 2, 1]);
    choice.clear();
    equal(root.querySelectorAll(".chosen").length, 0);
    press("End");
    equal(chosen.at(-1), 3);
  },
  a_token_leaves_the_address_and_survives_a_reload() {
    history.replaceState(null, "", `${location.pathname}?class=x#token=a.b.c`);
    equal([takeToken(), location.hash, location.search], ["a.b.c", "", "?class=x"]);
    equal(takeToken(), "a.b.c");
    sessionStorage.clear();
    equal(takeToken(), "");
  },
};

await report(cases);
