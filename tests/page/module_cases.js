/** Cases run in a browser by test_page_modules.py; each leaves one line, as harness.js says. */
import { Announcer } from "/static/js/announce.js";
import { Chips } from "/static/js/chips.js";
import { Consent } from "/static/js/consent.js";
import { FindingView } from "/static/js/finding.js";
import { beginFollow, beginSession, doubts, markOf, slips, statusOf, takeFeedback, takeRestored, takeSummary, tally } from "/static/js/follow.js";
import { FrameSender, OPUS, PCM, opusFrame, pcmFrame } from "/static/js/frames.js";
import { Hifz, SILENCE_S, firstLetters } from "/static/js/hifz.js";
import { setLanguage, t } from "/static/js/i18n.js";
import { nameOf, signOf } from "/static/js/letters.js";
import { MushafView } from "/static/js/mushaf_view.js";
import { formatRef, parseRef, searchSurahs } from "/static/js/passage.js";
import { SaidByServer, recitalProblem } from "/static/js/problems.js";
import { dayName, everyDay, minutesChart, progressParts, ruleLine } from "/static/js/progress_view.js";
import { CHOICES, USUAL, choose, keepReading, keptReading, readingOf, written } from "/static/js/reading.js";
import { ReadingDialog } from "/static/js/reading_dialog.js";
import { Remarks } from "/static/js/remarks.js";
import { Resampler } from "/static/js/resampler.js";
import { RtpClock, RunningMedian } from "/static/js/rtp_clock.js";
import { counts, heardAs, lengthMeter, ruleLengths, ruleSlips, ruleTable, tempo } from "/static/js/rule_card.js";
import { gravest, ruleOf } from "/static/js/rules.js";
import { EAR_LATE_MS, SaidWhen, wordLate_ms } from "/static/js/said_when.js";
import { socketAddress, subprotocols } from "/static/js/socket_connection.js";
import { spokenRule } from "/static/js/summary_view.js";
import { Transports } from "/static/js/transports.js";
import { CaptureClock } from "/static/js/voice_capture.js";
import { candidateFragment, linkedIceServers } from "/static/js/whip.js";
import { equal, report } from "./harness.js";

const phone = (unit, start) => ({ unit, letters: [start, start + 1] });
const word = (n) => ({ at: `112:1:${n}`, text: "قُلْ", phones: [phone("ق", 0), phone("ُ", 1), phone("ل", 2)] });
const begin = (count = 5) => beginFollow(Array.from({ length: count }, (_, index) => word(index + 1)));

let seq = 0;
function feedback(fields) {
  return { type: "feedback", seq: ++seq, rtp: 0, sample: 0, cursor: null, speech: true, level: -20, state: "following",
    phones: [], words: [], stamps: [0, 0, 0], ...fields };
}
const verdict = (id, n, status) => [id, `112:1:${n}`, 100, 900, 0.9, status];

/** What would be on the wire; `bufferedAmount` is set by the case. */
class Wire {
  bufferedAmount = 0;
  frames = [];
  send(frame) {
    this.frames.push(frame);
  }
}
/** A tone through a resampler, in blocks of 128 as a worklet gets them; without its first and last 5 ms. */
function resampled(from, to, tone_hz) {
  const resampler = new Resampler(from, to);
  const out = [];
  for (let first = 0; first < from / 5; first += 128) {
    const block = Float32Array.from({ length: 128 }, (_, i) => Math.sin((2 * Math.PI * tone_hz * (first + i)) / from));
    resampler.push(block, (sample) => out.push(sample));
  }
  return { out, middle: out.slice(to / 200, -to / 200), first: to / 200 };
}
const loudest = (samples) => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
function fromMemory(follow) {
  const hifz = new Hifz();
  hifz.on = true;
  return { hifz, veils: () => follow.words.map((_, index) => hifz.veil(follow, index)).join(" ") };
}
function findingView(chosen) {
  const root = document.createElement("section");
  const list = document.createElement("ul");
  list.id = "finding-list";
  root.append(list);
  document.body.append(root);
  const view = new FindingView(root, (surah) => `S${surah}`, (at) => chosen.push(at));
  view.open();
  return { view, list, shown: () => [...list.children].map((row) => row.dataset.at).join(" ") };
}
const place = (at, p) => ({ at, p, text: "قُلْ هُوَ" });
/** A row on the last letter of a word; `fields` by name. */
function ruleRow(id, n, severity, fields = {}) {
  const row = { rule: "qalqalah_kubra", first: 2, stop: 3, start: 800, end: 900, slip: null, expected: null, measured: null,
    heard: null, ...fields };
  const slip = severity === "fine" || severity === "unclear" ? null : (row.slip ?? "missing");
  return [id, `112:1:${n}`, row.rule, row.first, row.stop, row.start, row.end, severity, slip, 0.9, row.expected,
    row.measured, row.heard];
}
const ruled = (...rows) => {
  const follow = begin();
  takeFeedback(follow, feedback({ rules: rows }));
  return follow;
};
const graves = (follow) => follow.words.map((word) => gravest(word.rules) ?? "-").join(" ");
const summaryOf = (fields) => ({ type: "summary", verses: "112", words: [], accepted: 0, questioned: 0, seconds: 1, ...fields });
function shown(follow, veil = () => "open") {
  const root = document.createElement("div");
  document.body.append(root);
  const view = new MushafView(root, true, veil);
  view.render({ ref: "112", words: [1, 2, 3, 4, 5].map(word) }, Array(112).fill({ surah: 112, name: "الإخلاص", latin: "", ayat: 4 }));
  const paint = () => {
    view.touchAll();
    view.frame(follow);
    return view;
  };
  return { root, view, paint: paint(), again: paint };
}
const marked = (name) => [...CSS.highlights.get(`tq-${name}`)].map(String);
const statuses = (follow) => follow.words.map((_, index) => statusOf(follow, index)).join(" ");

function consentBar() {
  const root = document.createElement("div");
  root.innerHTML = '<p id="consent-text"></p><p id="consent-note"></p><button id="consent-yes"></button><button id="consent-no"></button>';
  document.body.append(root);
  const told = [];
  const consent = new Consent(root, (may) => told.push(may));
  return { root, told, consent, text: () => (root.hidden ? "" : root.querySelector("#consent-text").textContent) };
}
const listened = (fields) => ({ type: "listened", may: null, by: [], asked: false, ...fields });
function remarksOn(follow) {
  const { view } = shown(follow);
  const list = document.createElement("ul");
  const sheet = { follow, view, placeOf: (at) => follow.places.get(at) ?? -1 };
  return { list, view, remarks: new Remarks(list, sheet), texts: () => [...list.querySelectorAll("p")].map((p) => p.textContent) };
}

const cases = {
  consent_is_asked_when_a_teacher_would_like_to_and_who_listens_is_shown() {
    const { root, told, consent, text } = consentBar();
    consent.take(listened({}));
    equal(text(), "", "nobody is asked before");
    consent.take(listened({ asked: true }));
    equal(text(), t("listen_asked"));
    root.querySelector("#consent-yes").click();
    equal(told, [true]);
    consent.take(listened({ may: true, by: ["Idris", ""] }));
    equal(text(), t("listened_by", { names: `Idris، ${t("teacher_unnamed")}` }));
    root.querySelector("#consent-no").click();
    consent.take(listened({ may: false }));
    equal([told, text(), root.querySelector("#consent-yes").hidden], [[true, false], t("listen_may_not"), false]);
    consent.leave();
    equal(text(), "");
  },
  consent_holds_for_the_page_and_a_new_session_is_told() {
    const { told, consent, root } = consentBar();
    consent.take(listened({ asked: true }));
    root.querySelector("#consent-yes").click();
    consent.take(listened({ may: true }));
    consent.leave();
    consent.take(listened({}));
    equal(told, [true, true]);
  },
  what_a_teacher_says_is_noted_and_put_right_in_the_text() {
    const follow = begin();
    takeFeedback(follow, feedback({ words: [verdict(1, 1, "questioned"), verdict(2, 2, "accepted")] }));
    const { list, view, remarks, texts } = remarksOn(follow);
    equal(list.childElementCount, 0);
    remarks.take({ type: "remark", text: "<b>Slower</b>", at: null });
    remarks.take({ type: "remark", text: "", at: "112:1:3" });
    remarks.take({ type: "overruled", at: "112:1:1", status: "accepted", was: "questioned" });
    equal(texts(), ["<b>Slower</b>", t("note_repeat"), t("note_overruled", { status: t("accepted") })]);
    equal([...list.querySelectorAll(".note-word")].map((word) => word.textContent), ["قُلْ", "قُلْ"]);
    view.frame(follow);
    equal([statuses(follow), view.spans[0].classList.contains("overruled")], ["accepted accepted pending pending pending", true]);
    takeFeedback(follow, feedback({ words: [verdict(3, 1, "wrong")] }));
    equal(statuses(follow).split(" ")[0], "accepted");
    remarks.take({ type: "overruled", at: "112:1:1", status: "wrong", was: "questioned" });
    equal(texts(), ["<b>Slower</b>", t("note_repeat"), t("note_overruled", { status: t("wrong") })], "the newest on a word is kept");
    remarks.take({ type: "remark", text: "Again", at: null });
    equal(texts()[0], t("note_repeat"), "the oldest made room");
    list.querySelector(".round").click();
    equal([list.childElementCount, list.hidden], [2, false]);
    remarks.clear();
    equal(list.hidden, true);
  },
  a_summary_keeps_what_a_teacher_said() {
    const follow = begin();
    takeFeedback(follow, feedback({ words: [verdict(1, 1, "accepted")] }));
    takeSummary(follow, summaryOf({ overruled: [["112:1:1", "wrong", "accepted"], ["1:1:1", "wrong", "accepted"]] }));
    equal([statuses(follow).split(" ")[0], follow.words[0].overruled], ["wrong", true]);
  },
  a_session_taken_up_keeps_what_a_teacher_said() {
    const follow = begin();
    const words = [verdict(0, 1, "accepted"), verdict(0, 2, "questioned")];
    const overruled = [["112:1:1", "questioned", "accepted"]];
    const touched = takeRestored(follow, { words, phones: [], rules: [], overruled, more: false });
    equal([...touched], [0, 1]);
    equal(statuses(follow), "questioned questioned pending pending pending");
    takeFeedback(follow, feedback({ words: [verdict(9, 1, "accepted")] }));
    equal([statuses(follow).split(" ")[0], follow.words[0].overruled], ["questioned", true]);
  },
  cursor_lights_the_word_and_leaves_it_tentative() {
    const follow = begin();
    takeFeedback(follow, feedback({ cursor: ["112:1:1", 0, 10] }));
    equal(statuses(follow), "current pending pending pending pending");
    const change = takeFeedback(follow, feedback({ cursor: ["112:1:3", 1, 20] }));
    equal(statuses(follow), "tentative tentative current pending pending");
    equal([...change.touched].sort(), [0, 1, 2]);
  },
  a_first_word_that_was_over_at_once_is_passed_too() {
    const follow = begin();
    const change = takeFeedback(follow, feedback({ cursor: ["112:1:2", 1, 10] }));
    equal(statuses(follow), "tentative current pending pending pending");
    equal([[...change.touched].sort(), change.lit], [[0, 1], [0]]);
    equal(statuses(begin()), "pending pending pending pending pending");
  },
  a_word_is_lit_to_its_end_once() {
    const follow = begin();
    const lit = (at, phone) => takeFeedback(follow, feedback({ cursor: [at, phone, 10] })).lit;
    equal([lit("112:1:1", 0), lit("112:1:1", 2), lit("112:1:2", 1), lit("112:1:3", 0)], [[], [0], [], [1]]);
    equal([lit("112:1:1", 2), lit("112:1:3", 2)], [[], [2]], "again");
    beginSession(follow);
    equal(lit("112:1:1", 2), [0], "in another session");
  },
  a_far_jump_passes_over_nothing() {
    const follow = begin(9);
    takeFeedback(follow, feedback({ cursor: ["112:1:1", 0, 10] }));
    takeFeedback(follow, feedback({ cursor: ["112:1:8", 0, 20] }));
    equal(statuses(follow), "tentative pending pending pending pending pending pending current pending");
  },
  a_verdict_is_taken_once() {
    const follow = begin();
    const told = { words: [verdict(1, 1, "questioned")] };
    equal(takeFeedback(follow, feedback(told)).judged, [0]);
    equal(takeFeedback(follow, feedback(told)).judged, []);
  },
  late_messages_bring_verdicts_but_move_nothing() {
    const follow = begin();
    const late = feedback({ cursor: ["112:1:1", 0, 10], state: "waiting", words: [verdict(1, 1, "accepted")] });
    takeFeedback(follow, feedback({ cursor: ["112:1:3", 0, 30] }));
    const change = takeFeedback(follow, late);
    equal([change.newest, follow.here, follow.state, change.judged], [false, 2, "following", [0]]);
  },
  any_order_of_messages_gives_the_same_verdicts() {
    const messages = [1, 2, 3, 4].map((n) =>
      feedback({ words: [verdict(n, n, "accepted"), verdict(n + 1, n + 1, "accepted")].slice(0, n === 4 ? 1 : 2) }));
    for (const order of [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]]) {
      const follow = begin();
      for (const index of order) takeFeedback(follow, messages[index]);
      equal(statuses(follow), "accepted accepted accepted accepted pending", order.join());
    }
  },
  accepted_is_never_spoiled_and_a_slip_can_be_mended() {
    const follow = begin();
    takeFeedback(follow, feedback({ words: [verdict(1, 1, "accepted"), verdict(2, 2, "wrong")] }));
    takeFeedback(follow, feedback({ words: [verdict(3, 1, "wrong"), verdict(4, 2, "accepted")] }));
    equal(statuses(follow), "accepted accepted pending pending pending");
    equal([follow.words[0].mended, follow.words[1].mended, tally(follow).mended], [false, true, 1]);
  },
  unclear_does_not_replace_a_verdict_nor_repeated_make_one() {
    const follow = begin();
    takeFeedback(follow, feedback({ words: [verdict(1, 1, "wrong"), verdict(2, 2, "repeated")] }));
    takeFeedback(follow, feedback({ words: [verdict(3, 1, "unclear"), verdict(4, 2, "not_reached")] }));
    equal(statuses(follow), "wrong pending pending pending pending");
  },
  omitted_reads_as_wrong() {
    const follow = begin();
    takeFeedback(follow, feedback({ words: [verdict(1, 2, "omitted")] }));
    equal([statusOf(follow, 1), slips(follow).length, tally(follow).wrong], ["wrong", 1, 1]);
  },
  letters_are_marked_only_while_the_word_is_in_doubt() {
    const follow = begin();
    const rows = [[1, "112:1:1", 0, "ق", 0, 1, 0.1, "ك"], [2, "112:1:1", 2, "ل", 2, 3, 0.2, null]];
    takeFeedback(follow, feedback({ phones: rows, words: [verdict(1, 1, "wrong")] }));
    equal([0, 1, 2].map((index) => markOf(follow.words[0], index)), ["slip", null, "low"]);
    equal(doubts(follow.words[0]).map(({ unit }) => unit), ["ق", "ل"]);
    takeFeedback(follow, feedback({ words: [verdict(2, 1, "accepted")] }));
    equal([0, 1, 2].map((index) => markOf(follow.words[0], index)), [null, null, null]);
  },
  the_server_says_which_letters_were_meant() {
    const follow = begin();
    takeFeedback(follow, feedback({ phones: [[1, "112:1:1", 0, "ق", 0, 1, 0.1, "ك", 2, 4], [2, "112:1:1", 1, "ل", 2, 3, 1, null]] }));
    equal(follow.words[0].phones.map(({ letters }) => letters), [[2, 4], null]);
    const told = { unit: "ق", start: 5, end: 6, p: 0.1, heard: "ك" };
    takeSummary(follow, { type: "summary", verses: "112:1", accepted: 0, questioned: 0, seconds: 1, words: [
      { at: "112:1:1", text: "", start: 5, end: 9, score: 0.2, status: "wrong", phones: [{ ...told, first: 1, stop: 3 }, told] }] });
    equal(follow.words[0].phones.map(({ letters }) => letters), [[1, 3], null]);
  },
  a_new_session_starts_ids_again_and_keeps_verdicts() {
    const follow = begin();
    takeFeedback(follow, feedback({ seq: 900, cursor: ["112:1:2", 0, 9], words: [verdict(1, 1, "accepted")] }));
    equal(beginSession(follow), 1);
    equal(takeFeedback(follow, feedback({ seq: 1, words: [verdict(1, 2, "wrong")] })).judged, [1]);
    equal(statuses(follow), "accepted wrong pending pending pending");
  },
  words_of_another_passage_are_ignored() {
    const follow = begin();
    const change = takeFeedback(follow, feedback({ cursor: ["2:1:1", 0, 1], words: [[7, "2:1:1", 0, 1, 1, "accepted"]] }));
    equal([change.judged, follow.here], [[], -1]);
  },
  ids_are_forgotten_in_time() {
    const follow = begin();
    for (let id = 0; id < 10000; id++) {
      takeFeedback(follow, feedback({ phones: [[id, "112:1:1", 0, "ق", 0, 1, 1, null]] }));
    }
    if (follow.phoneIds.size > 3000) throw new Error(`${follow.phoneIds.size} ids kept`);
  },
  the_summary_fills_in_what_was_lost() {
    const follow = begin();
    takeFeedback(follow, feedback({ words: [verdict(1, 1, "accepted")] }));
    const told = (n, status) => ({ at: `112:1:${n}`, text: "", start: 5, end: 9, score: 0.2, status, phones: [
      { unit: "ق", start: 5, end: 6, p: 0.1, heard: "ك" }] });
    const touched = takeSummary(follow, { type: "summary", verses: "112:1", accepted: 1, questioned: 0, seconds: 1,
      words: [told(1, "wrong"), told(2, "wrong"), told(3, "not_reached")] });
    equal([...touched], [1]);
    equal(statuses(follow), "accepted wrong pending pending pending");
    equal(doubts(follow.words[1])[0].heard, "ك");
  },
  the_summary_says_how_much_was_undertaken() {
    const follow = begin();
    equal(tally(follow).total, 5);
    const told = { at: "112:1:1", text: "", start: 5, end: 9, score: 1, status: "accepted", phones: [] };
    takeSummary(follow, { type: "summary", verses: "112", accepted: 1, questioned: 0, seconds: 1, words: [told] });
    equal([tally(follow).total, tally(follow).accepted], [1, 1]);
  },
  a_word_is_hidden_until_it_has_a_verdict() {
    const follow = begin(4);
    const { hifz, veils } = fromMemory(follow);
    takeFeedback(follow, feedback({ cursor: ["112:1:3", 1, 10] }));
    equal(veils(), "hidden hidden hidden hidden", "said, not judged");
    takeFeedback(follow, feedback({ words: [verdict(1, 1, "accepted"), verdict(2, 2, "questioned"), verdict(3, 3, "unclear")] }));
    equal(veils(), "open open open hidden");
    hifz.on = false;
    equal(veils(), "open open open open");
    equal([hifz.hint(follow), hifz.given], [-1, 0]);
  },
  a_hint_shows_letters_then_the_word_then_goes_on() {
    const follow = begin(3);
    const { hifz, veils } = fromMemory(follow);
    equal([hifz.hint(follow), veils()], [0, "letters hidden hidden"]);
    equal([hifz.hint(follow), veils()], [0, "open hidden hidden"]);
    equal([hifz.hint(follow), veils()], [1, "open letters hidden"]);
    equal([hifz.given, hifz.shown.size], [3, 2]);
    hifz.begin();
    equal([hifz.given, veils()], [0, "hidden hidden hidden"]);
  },
  the_word_to_be_said_next_is_the_one_hinted() {
    const follow = begin(5);
    const { hifz } = fromMemory(follow);
    takeFeedback(follow, feedback({ cursor: ["112:1:2", 1, 10] }));
    equal(hifz.next(follow), 1, "within a word");
    takeFeedback(follow, feedback({ cursor: ["112:1:2", 2, 20] }));
    equal(hifz.next(follow), 2, "at its end");
    takeFeedback(follow, feedback({ words: [verdict(1, 2, "accepted"), verdict(2, 3, "omitted")] }));
    equal(hifz.next(follow), 3, "words judged are seen");
    takeFeedback(follow, feedback({ words: [verdict(3, 4, "wrong"), verdict(4, 5, "accepted")] }));
    equal([hifz.next(follow), hifz.hint(follow)], [-1, -1], "at the end");
  },
  a_long_silence_brings_a_hint_and_then_the_word() {
    const follow = begin(4);
    const { hifz } = fromMemory(follow);
    const step = 1280;
    let sample = 0;
    /** Seconds until a hint comes, 0 when none does within 20. */
    const wait = (speech, state) => {
      for (const begun = sample; sample - begun < 20 * 16000; ) {
        const message = feedback({ sample: (sample += step), speech, state, cursor: ["112:1:1", 2, 0] });
        takeFeedback(follow, message);
        if (hifz.hear(follow, message) >= 0) return Math.round((sample - begun) / 16000);
      }
      return 0;
    };
    equal([wait(true, "following"), wait(false, "waiting"), wait(false, "lost")], [0, 0, 0]);
    equal([wait(false, "following"), wait(false, "following"), wait(false, "following")], [SILENCE_S, SILENCE_S, 0]);
    equal([hifz.given, [...hifz.shown]], [2, [[1, 2]]]);
    equal([wait(true, "following"), wait(false, "following")], [0, SILENCE_S], "after speech again");
    sample = 0;
    equal(wait(false, "following"), SILENCE_S, "in a new session");
  },
  first_letters_are_whole_and_tell_more_than_the_article() {
    const opening = (text) => text.slice(0, firstLetters(text));
    equal(["قُلْ", "هُوَ", "ٱلصَّمَدُ", "يُولَدْ", "مَـٰلِكِ", "وَلَمْ", "لَّهُۥ", "بِسْمِ", "ٱلَّذِينَ", ""].map(opening),
      ["قُ", "هُ", "ٱلصَّ", "يُو", "مَـٰ", "وَ", "لَّ", "بِ", "ٱلَّذِ", ""]);
  },
  places_are_listed_and_one_is_chosen_once() {
    const chosen = [];
    const { view, list, shown } = findingView(chosen);
    view.show([place("112:1", 0.6), place("2:255", 0.3)]);
    view.show([place("2:255", 0.5), place("114:1", 0.2)]);
    equal(shown(), "2:255 114:1");
    equal(list.querySelector(".candidate-at").textContent, "S2 ٢٥٥");
    list.querySelector("li:last-child button").click();
    list.querySelector("li:first-child button").click();
    equal(chosen, ["114:1"]);
    equal([...list.querySelectorAll("button")].map((button) => [button.disabled, button.getAttribute("aria-pressed")]),
      [[true, "false"], [false, "true"]]);
    view.show([place("113:1", 0.9)]);
    equal(shown(), "2:255 114:1", "after the choice");
    view.open();
    equal(shown(), "");
  },
  places_stay_put_under_the_focus() {
    const { view, list, shown } = findingView([]);
    view.show([place("112:1", 0.6), place("2:255", 0.3)]);
    list.querySelector("li:last-child button").focus();
    view.show([place("114:1", 0.5), place("2:255", 0.4)]);
    equal(shown(), "112:1 2:255 114:1");
    equal(document.activeElement.closest("li").dataset.at, "2:255");
    document.activeElement.blur();
    view.show([place("114:1", 0.5), place("2:255", 0.4)]);
    equal(shown(), "114:1 2:255");
  },
  a_rule_recited_again_replaces_its_mark() {
    const follow = ruled(ruleRow(1, 2, "error"), ruleRow(2, 3, "advice", { rule: "tafkhim", slip: "light" }));
    equal(graves(follow), "- error advice - -");
    equal(takeFeedback(follow, feedback({ rules: [ruleRow(1, 2, "error")] })).rules, [], "told again");
    takeFeedback(follow, feedback({ rules: [ruleRow(3, 2, "unclear")] }));
    equal(graves(follow), "- error advice - -", "what says nothing");
    const rules = [ruleRow(4, 2, "fine"), ruleRow(5, 3, "advice", { rule: "ikhfa" })];
    const change = takeFeedback(follow, feedback({ rules }));
    equal([graves(follow), follow.words[2].rules.length, [...change.touched]], ["- - advice - -", 2, [1, 2]]);
  },
  rules_that_come_late_or_in_another_session_are_told_apart() {
    const follow = ruled(ruleRow(7, 2, "fine", { measured: 4 }));
    takeFeedback(follow, feedback({ rules: [ruleRow(3, 2, "error")] }));
    equal(graves(follow), "- - - - -", "an earlier verdict that was delayed");
    beginSession(follow);
    takeFeedback(follow, feedback({ rules: [ruleRow(1, 2, "error"), ruleRow(2, 9, "error")] }));
    equal(graves(follow), "- error - - -", "a verdict of a new session, and one of another passage");
  },
  a_slip_that_breaks_a_rule_is_told_once_by_the_rule() {
    const follow = ruled(ruleRow(1, 1, "error"));
    const rows = [[1, "112:1:1", 0, "ق", 100, 200, 0.1, "ك", 0, 1], [2, "112:1:1", 2, "ل", 850, 950, 0.1, "", 2, 3]];
    takeFeedback(follow, feedback({ phones: rows, words: [verdict(1, 1, "questioned")] }));
    equal(doubts(follow.words[0]).map(({ unit }) => unit), ["ق"], "the same letters and sound");
    takeFeedback(follow, feedback({ rules: [ruleRow(2, 1, "error", { start: 5000, end: 6000 })] }));
    equal(doubts(follow.words[0]).length, 2, "the same letters, recited another time");
    takeFeedback(follow, feedback({ rules: [ruleRow(3, 1, "fine")] }));
    equal(doubts(follow.words[0]).length, 2, "a rule kept tells nothing");
  },
  a_word_with_a_rule_broken_is_to_be_looked_at_again() {
    const follow = ruled(ruleRow(1, 2, "advice"), ruleRow(2, 3, "fine", { measured: 2 }));
    takeFeedback(follow, feedback({ words: [verdict(1, 2, "accepted"), verdict(2, 3, "accepted")] }));
    equal(slips(follow).map(({ at }) => at), ["112:1:2"]);
  },
  the_summary_has_every_rule_and_the_tempo() {
    const follow = ruled(ruleRow(5, 1, "error"), ruleRow(6, 2, "error"));
    equal([ruleTable(follow), follow.harakah_ms], [null, null]);
    const rules = [ruleRow(0, 1, "error"), ruleRow(1, 2, "fine"), ruleRow(2, 3, "unclear", { rule: "tafkhim" })];
    const touched = takeSummary(follow, summaryOf({ rules, harakah_ms: 212.4 }));
    equal([graves(follow), [...touched]], ["error - - - -", [0, 1, 2]]);
    setLanguage("en");
    const rows = [...ruleTable(follow).querySelectorAll("tbody tr")];
    const cells = (row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent).join("");
    equal(rows.map(cells), ["1–1–", "–––1"]);
    equal([tempo(follow.harakah_ms), tempo(null)], ["0.21 s", "calibrating"]);
  },
  letters_of_a_rule_are_marked_by_how_grave_it_is() {
    const other = ruleRow(2, 2, "advice", { first: 0, stop: 2 });
    const follow = ruled(ruleRow(1, 1, "error"), other, ruleRow(3, 3, "fine", { measured: 2 }));
    const { root, view, again } = shown(follow);
    equal([marked("error"), marked("advice")], [["لْ"], ["قُ"]], "whole letters");
    equal(root.querySelectorAll(".w").length, 5);
    equal([...root.querySelectorAll(".w")].every((span) => span.childNodes.length === 1), true, "letters stay joined");
    equal([...root.querySelectorAll("[data-rule]")].map((span) => [span.dataset.rule, span.tabIndex, span.getAttribute("role")]),
      [["error", 0, "button"], ["advice", 0, "button"]]);
    takeFeedback(follow, feedback({ rules: [ruleRow(4, 1, "fine")] }));
    again();
    equal([marked("error"), marked("advice"), root.querySelectorAll("[data-rule]").length], [[], ["قُ"], 1], "mended");
    view.clear();
    equal(marked("advice"), []);
  },
  a_note_names_the_rule_just_broken_and_counts_the_others() {
    const follow = ruled(ruleRow(1, 1, "error"), ruleRow(2, 1, "advice", { rule: "tafkhim", first: 0, stop: 1 }),
      ruleRow(3, 1, "fine", { rule: "madd_tabii", measured: 2 }));
    setLanguage("en");
    const { root, view } = shown(follow);
    const [light, missing, kept] = follow.words[0].rules;
    const note = (rule) => {
      view.name(follow, rule);
      return [...root.querySelectorAll(".chip")].map((chip) => [chip.dataset.severity, chip.textContent]);
    };
    equal([light.severity, missing.severity, kept.severity], ["advice", "error", "fine"]);
    equal(note(light), [["advice", "rule of tajweed +1"]]);
    equal(note(missing), [["error", "rule of tajweed +1"]], "in place of the one before");
    equal(note(kept).length, 1, "what was kept is not named");
    view.clear();
  },
  rules_of_hidden_words_are_not_marked() {
    const { root } = shown(ruled(ruleRow(1, 1, "error")), () => "hidden");
    equal([marked("error"), root.querySelectorAll("[data-rule], [tabindex]").length], [[], 0]);
  },
  a_note_names_each_rule_and_there_are_never_many() {
    const sheet = document.createElement("div");
    sheet.style.cssText = "position: relative; width: 600px";
    const words = [0, 1, 2, 3].map((line) => {
      const each = document.createElement("span");
      each.style.cssText = `position: absolute; top: ${100 * line}px; left: 300px; width: 40px`;
      return each;
    });
    sheet.append(...words);
    document.body.append(sheet);
    const chips = new Chips(sheet);
    const names = () => [...sheet.querySelectorAll(".chip")].map((chip) => chip.textContent).join(" ");
    words.forEach((each, index) => chips.show(each, `n${index}`, "error"));
    equal(names(), "n1 n2 n3");
    chips.show(words[2], "again", "advice");
    equal([names(), sheet.querySelector("[data-severity=advice]").getAttribute("aria-hidden")], ["n1 n3 again", "true"]);
    words[0].style.top = "100px";
    chips.show(words[0], "beside", "error");
    equal(names(), "n3 again beside", "over the same words");
    return new Promise((resolve) => setTimeout(resolve, 4000)).then(() => equal(names(), ""));
  },
  lengths_are_told_in_counts_and_shown_against_what_is_due() {
    const rule = ruleOf(ruleRow(1, 1, "error", { rule: "madd_lazim", slip: "short", expected: [6, 6], measured: 2.64 }));
    setLanguage("en");
    equal([0.1, 1, 2.1, 4, 2.64].map((n) => counts([n, n])), ["0.5 counts", "1 count", "2 counts", "4 counts", "2.5 counts"]);
    equal(counts([2, 6]), "2 to 6 counts");
    const meter = lengthMeter(rule);
    equal([meter.getAttribute("aria-label"), meter.style.getPropertyValue("--scale")], ["≈ 2.5 counts of 6 counts", "6"]);
    equal([heardAs({ ...rule, uncertainty: 1.1 }), heardAs({ ...rule, uncertainty: 0.2 })],
      ["≈ 2.5 counts ± 1", "≈ 2.5 counts"]);
    equal([heardAs(rule), heardAs({ ...rule, measured: null }), heardAs({ ...rule, measured: null, slip: "new" })],
      ["≈ 2.5 counts", "too short", "not clear"]);
    equal(heardAs({ ...rule, measured: null, slip: "replaced", heard: "ں" }), "hidden nūn (ikhfāʾ)");
    equal(lengthMeter({ ...rule, measured: 8.2 }).style.getPropertyValue("--scale"), "9");
    setLanguage("ar");
    equal([counts([1, 1]), counts([2, 2]), counts([4, 4]), counts([2.5, 2.5])], ["حركة واحدة", "حركتان", "٤ حركات", "٢٫٥ حركة"]);
  },
  a_card_tells_slips_and_the_lengths_that_were_right() {
    const madd = { rule: "madd_arid", first: 0, stop: 1, expected: [2, 6], measured: 4 };
    const follow = ruled(ruleRow(1, 1, "error"), ruleRow(2, 1, "fine", madd), ruleRow(3, 1, "unclear", { rule: "ikhfa" }));
    const heard = [];
    equal([ruleSlips(follow.words[0], null).length, ruleLengths(follow.words[0]).length], [1, 1]);
    equal([ruleSlips(follow.words[1], null), ruleLengths(follow.words[1])], [[], []]);
    equal(ruleLengths(follow.words[0])[0].querySelector(".held-length").textContent.startsWith("≈"), true);
    const [slip] = ruleSlips(follow.words[0], (rule) => heard.push(rule.start));
    slip.querySelector(".rule-hear").click();
    equal([heard, slip.querySelector(".tile-sign").textContent], [[800], "لْ"]);
    setLanguage("en");
    const [, broken] = follow.words[0].rules;
    equal(spokenRule(broken, follow.words[0]), "قُلْ: rule of tajweed, not heard");
  },
  settings_of_the_reading_never_contradict_each_other() {
    equal(written(USUAL), "munfasil=4,muttasil=4,arid=any,leen=any");
    equal(written(choose(USUAL, "munfasil", "5")), "munfasil=5,muttasil=5,arid=any,leen=any");
    equal(written(choose(choose(USUAL, "munfasil", "5"), "muttasil", "4")), "munfasil=4,muttasil=4,arid=any,leen=any");
    equal(written(choose(choose(USUAL, "leen", "6"), "arid", "2")), "munfasil=4,muttasil=4,arid=2,leen=2");
    for (const [setting, values] of Object.entries(CHOICES)) {
      for (const value of values) equal(choose(USUAL, setting, value)[setting], value);
    }
  },
  settings_of_the_reading_are_kept_and_nonsense_is_not() {
    keepReading(choose(USUAL, "munfasil", "2"));
    equal(written(keptReading()), "munfasil=2,muttasil=4,arid=any,leen=any");
    localStorage.setItem("talaqqi.reading", "munfasil=9,leen=6,arid=4,toString=1,x");
    equal(written(keptReading()), "munfasil=4,muttasil=4,arid=4,leen=4");
    localStorage.clear();
    equal([written(keptReading()), readingOf("")], [written(USUAL), { ...USUAL }]);
  },
  a_choice_in_the_dialog_holds_at_once() {
    const dialog = document.createElement("dialog");
    dialog.innerHTML = `<div id="reading-list"></div><p id="reading-refused" hidden></p><button id="reading-usual"></button>
      <button id="reading-close"></button>`;
    document.body.append(dialog);
    const told = [];
    const view = new ReadingDialog(dialog, (reading) => told.push(written(reading)));
    const checked = () => [...dialog.querySelectorAll("input:checked")].map((input) => input.value).join(" ");
    view.open();
    equal([checked(), dialog.querySelectorAll("input").length], ["4 4 any any", 15]);
    dialog.querySelector("input[name=munfasil][value='5']").click();
    view.refuse("why");
    const note = dialog.querySelector("#reading-refused");
    equal([checked(), told], ["5 5 any any", ["munfasil=5,muttasil=5,arid=any,leen=any"]]);
    equal([note.hidden, note.textContent.includes("why")], [false, true]);
    dialog.querySelector("#reading-usual").click();
    equal([checked(), told.length, note.hidden], ["4 4 any any", 2, true]);
    dialog.querySelector("#reading-close").click();
    equal(dialog.open, false);
    localStorage.clear();
  },
  a_rule_is_heard_with_the_word_it_was_said_in() {
    const spans = [{ start: 16000, end: 17600 }, { start: 48000, end: 49600 }];
    const follow = ruled(...spans.map((span, index) => ruleRow(index, index + 1, "error", span)));
    const words = [[1, "112:1:1", 8000, 16800, 0.9, "accepted"], [2, "112:1:2", 0, 1600, 0.9, "accepted"]];
    takeFeedback(follow, feedback({ words }));
    const said = new SaidWhen();
    said.noteLate(follow);
    equal(said.word("112:1:1"), null, "before any session");
    said.zero_ms = 1000;
    said.noteLate(follow);
    const late = wordLate_ms(follow.words[0].units[0]);
    equal([said.word("112:1:1"), said.rule(follow.words[0].rules[0])], [[1500 - late, 2050], [1500 - late, 2050]]);
    equal(said.rule(follow.words[1].rules[0]), [4000 - EAR_LATE_MS, 4100 - EAR_LATE_MS], "said again, apart from the word judged");
    said.clear();
    equal([said.word("112:1:1"), said.rule(follow.words[0].rules[0])], [null, null]);
  },
  screen_readers_hear_a_rule_once_and_not_too_often() {
    const region = document.createElement("p");
    const announcer = new Announcer(region);
    const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    announcer.say("rule", "first");
    return wait(10).then(() => {
      equal(region.textContent, "first");
      for (const [kind, text] of [["word", "w"], ["rule", "second"], ["rule", "third"]]) announcer.say(kind, text);
      return wait(1000);
    }).then(() => {
      equal(region.textContent, "first", "too soon");
      return wait(2500);
    }).then(() => equal(region.textContent, "third. w"));
  },
  units_have_names_in_both_languages() {
    const units = [..."ءبتثجحخدذرزسشصضطظعغفقكلمنهوي"].flatMap((c) => [c, c + c]);
    units.push("نننن", "مممم", "ووو", "ييي", "َ", "ُ", "ِ", "اا", "ۥۥ", "ۦۦ", "ــ", "ڇ", "ںںں", "۾۾۾", "ٲ", "۪");
    for (const unit of units) {
      for (const lang of ["ar", "en"]) if (nameOf(unit, lang) === unit) throw new Error(`${unit} has no name in ${lang}`);
      if (!signOf(unit)) throw new Error(`${unit} has no sign`);
    }
    equal([nameOf("صص", "en"), nameOf("نننن", "ar"), nameOf("", "en")], ["doubled ṣād", "نون بغنّة", "nothing heard"]);
  },
  references_are_read_in_any_digits() {
    equal(parseRef("٢:٢٥٥"), { surah: 2, first: 255, last: 255 });
    equal(parseRef("112"), { surah: 112, first: 1, last: 0 });
    equal(["115", "1:0", "1:5-2", "x", "1:1-7;"].map(parseRef), [null, null, null, null, null]);
    equal(formatRef({ surah: 1, first: 1, last: 7 }, 7), "1");
    equal(formatRef({ surah: 2, first: 1, last: 5 }, 286), "2:1-5");
  },
  surahs_are_found_however_they_are_spelled() {
    const surahs = [[1, "الفاتحة", "Al-Fatihah"], [2, "البقرة", "Al-Baqarah"], [50, "ق", "Qaf"], [91, "الشمس", "Ash-Shams"]]
      .map(([surah, name, latin]) => ({ surah, name, latin, ayat: 10 }));
    const found = (query) => searchSurahs(surahs, query).map(({ surah }) => surah);
    equal(["فاتحه", "الفاتحة", "al fatihah", "Fatiha", "2:255", "٩١", "shams", "سورة البقرة"].map((q) => found(q)[0]),
      [1, 1, 1, 1, 2, 91, 91, 2]);
    equal(found("zzz"), []);
  },
  capture_times_survive_the_wrap_of_rtp() {
    const clock = new RtpClock();
    const start = 2 ** 32 - 2 * 960;
    for (let packet = 0; packet < 6; packet++) clock.note((start + packet * 960) % 2 ** 32, 1000 + packet * 20);
    equal(clock.capturedAt((start + 4 * 960 + 480) % 2 ** 32), 1090);
    equal(clock.capturedAt(start + 480), 1010);
    equal(Number.isNaN(clock.capturedAt((start + 100 * 960) % 2 ** 32)), true);
    equal(Number.isNaN(new RtpClock().capturedAt(5)), true);
  },
  frames_are_laid_out_as_the_protocol_says() {
    equal([...opusFrame(2 ** 32 + 0x01020304, 0x10506, Uint8Array.of(0xb8, 7))], [1, 1, 2, 3, 4, 5, 6, 0xb8, 7]);
    equal([...pcmFrame(2 ** 32 + 0x01020304, Float32Array.of(0.5, -1, 2, 1 / 32768))],
      [2, 1, 2, 3, 4, 0, 64, 0, 128, 255, 127, 1, 0]);
  },
  frames_count_on_over_what_is_left_out() {
    for (const [kind, most, step, sound] of [[OPUS, 2500, 960, new Uint8Array(90)], [PCM, 16000, 320, new Float32Array(320)]]) {
      const wire = new Wire();
      const sender = new FrameSender(kind, wire);
      for (const waits of [0, most, most + 1, 3 * most, 0]) {
        wire.bufferedAmount = waits;
        sender.send(sound);
      }
      const views = wire.frames.map((frame) => new DataView(frame.buffer));
      equal(views.map((view) => view.getUint32(1)), [0, step, 4 * step]);
      if (kind === OPUS) equal(views.map((view) => view.getUint16(5)), [0, 1, 4]);
      equal(sender.leftOut, 2);
    }
  },
  another_rate_keeps_the_voice_and_its_time() {
    for (const [from, to] of [[48000, 16000], [44100, 16000], [44100, 48000], [48000, 48000]]) {
      const { middle, first, out } = resampled(from, to, 1000);
      const off = middle.map((sample, i) => sample - Math.sin((2 * Math.PI * 1000 * (first + i)) / to));
      if (loudest(off) > 0.002) throw new Error(`${from} to ${to}: off by ${loudest(off)}`);
      if (out.length < 0.195 * to || out.length > 0.205 * to) throw new Error(`${from} to ${to}: ${out.length} samples`);
    }
    const folded = loudest(resampled(48000, 16000, 9000).middle);
    if (folded > 0.002) throw new Error(`9 kHz comes through, ${folded}`);
  },
  another_rate_is_the_same_in_any_blocks() {
    const sound = Float32Array.from({ length: 4410 }, (_, i) => Math.sin(i * i * 1e-4));
    const inBlocks = (size) => {
      const resampler = new Resampler(44100, 16000);
      const out = [];
      for (let i = 0; i < sound.length; i += size) resampler.push(sound.subarray(i, i + size), (sample) => out.push(sample));
      return out;
    };
    equal(inBlocks(1), inBlocks(4410));
    equal(inBlocks(128), inBlocks(4410));
  },
  frames_are_captured_when_the_quickest_says() {
    const clock = new CaptureClock();
    equal([[0, 1030], [1, 1041], [2, 1095]].map(([number, now]) => clock.startOf(number, now)), [1010, 1021, 1041]);
    // A second of the device went missing: after two windows only frames since then count.
    let start = 0;
    for (let number = 3; number < 300; number++) start = clock.startOf(number, 2001 + (number + 1) * 20);
    equal(start, 2001 + 299 * 20);
  },
  the_way_is_chosen_once_and_kept_for_the_visit() {
    sessionStorage.clear();
    const first = new Transports("");
    equal([first.way, first.fall(), first.way, first.fall()], ["webrtc", true, "websocket", false]);
    equal(new Transports("").way, "webrtc", "before it stands");
    first.stood();
    equal([new Transports("").way, new Transports("", "webrtc").way, new Transports("", "x").way],
      ["websocket", "webrtc", "websocket"]);
    sessionStorage.clear();
    const asked = new Transports("", "websocket");
    asked.stood();
    equal([asked.way, asked.fall(), new Transports("").way, new Transports("", "webrtc").fall()],
      ["websocket", false, "webrtc", false]);
  },
  a_socket_is_asked_for_with_its_passage_and_token() {
    equal(socketAddress("2:255").href, `ws://${location.host}/ws?verses=2%3A255`);
    equal([subprotocols(""), subprotocols("once.x")], [["talaqqi.v1"], ["talaqqi.v1", "bearer.once.x"]]);
  },
  progress_shows_every_day_and_what_is_weak() {
    setLanguage("en");
    const now = new Date(2026, 10, 25, 12).getTime();
    const told = (day, voice_s, accepted, rule_slips = {}) =>
      ({ day, sessions: 1, seconds: voice_s, voice_s, words: 10, accepted, letter_slips: 0, rule_slips });
    const days = [told("2026-11-20", 60, 0.5, { ghunnah: 3 }), told("2026-11-25", 180, 1)];
    const all = everyDay(days, now);
    equal([all.length, all[29].day, all[24].told?.voice_s, all[0].told], [30, "2026-11-25", 60, undefined]);
    const bars = [...minutesChart(days, now).querySelectorAll("rect")];
    equal(bars.map((bar) => bar.dataset.well), ["false", "true"]);
    equal(Number(bars[0].getAttribute("height")) * 3, Number(bars[1].getAttribute("height")));
    equal(bars[1].textContent, "Nov 25: 3 min, 10 words, 100 % accepted");
    equal(dayName("2026-11-01"), "Nov 1");
    const points = ruleLine(days, "ghunnah", now).querySelector("polyline").getAttribute("points").split(" ");
    equal([points.length, points[24].split(",")[1], points[29].split(",")[1]], [30, "2.0", "26.0"]);
    const opened = [];
    const progress = { days, rules: [{ of: "ghunnah", times: 40, slips: 30 }], letters: [{ of: "ض", times: 4, slips: 3 }],
      due: [{ at: "112:1", last: "2026-11-20", due: "2026-11-21", accepted: 0.5 }] };
    const parts = progressParts(progress, now, { ayahName: (at) => `ayah ${at}`, open: (at) => opened.push(at) });
    equal(parts.map((part) => part.querySelector("h3").textContent),
      ["The last 30 days", "Due again", "Rules that need care", "Letters that need care"]);
    parts[1].querySelector("button").click();
    equal([opened, parts[2].querySelector("meter").value], [["112:1"], 0.75]);
    equal(parts[2].querySelector(".weak-count").textContent, "30 of 40");
    equal(progressParts({ ...progress, days: [] }, now, { ayahName: String }).map((part) => part.tagName), ["P"]);
  },
  what_the_server_says_is_told_in_the_page_s_words_where_it_has_some() {
    setLanguage("en");
    const problem = (code) => recitalProblem(new SaidByServer({ type: "error", code, text: "51 hops wait" }), null);
    equal(problem("overloaded"), t("error_overloaded"));
    equal(problem("bad_message"), "The server refused: 51 hops wait");
  },
  the_median_is_of_the_newest() {
    const median = new RunningMedian(3);
    equal(Number.isNaN(median.median), true);
    for (const value of [100, 1, 2, 3]) median.push(value);
    equal(median.median, 2);
  },
  ice_servers_are_read_from_links() {
    const turn = '<turn:t.example:3478?transport=udp>; rel="ice-server"; username="me"; credential="a\\"b, c;"; credential-type="password"';
    equal(linkedIceServers(`<stun:s.example>; rel="ice-server", </next>; rel="next", ${turn}`), [
      { urls: "stun:s.example" },
      { urls: "turn:t.example:3478?transport=udp", username: "me", credential: 'a"b, c;' },
    ]);
    equal([linkedIceServers(""), linkedIceServers("garbage; <"), linkedIceServers("<x>")], [[], [], []]);
  },
  candidates_are_sent_as_rfc_8840_says() {
    const sdp = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=mid:0\r\n";
    const candidate = { candidate: "candidate:1 1 udp 1 192.0.2.1 5 typ host", sdpMLineIndex: 0 };
    equal(candidateFragment(sdp, [candidate], true).split("\r\n"), ["a=ice-ufrag:u", "a=ice-pwd:p",
      "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", `a=${candidate.candidate}`, "a=end-of-candidates", ""]);
  },
};

await report(cases);
