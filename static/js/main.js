/** The student page: joins the text, the voice, the server's feedback and what is shown of it. */
import { Announcer } from "./announce.js";
import { Dock } from "./dock.js";
import { FindingView } from "./finding.js";
import { beginFollow, doubts } from "./follow.js";
import { Hifz, firstLetters } from "./hifz.js";
import { language, number, preferredLanguage, setLanguage, t } from "./i18n.js";
import { LevelMeter } from "./meter.js";
import { AUTO } from "./messages.js";
import { MushafView } from "./mushaf_view.js";
import { FrameTimes, noteEvent, noteLatency, observed } from "./observe.js";
import { OwnVoice } from "./own_voice.js";
import { ApiError, fetchPassage, fetchSamples, fetchSurahs, splitAddress } from "./passage.js";
import { Picker, find } from "./picker.js";
import { microphoneProblem, recitalProblem } from "./problems.js";
import { written } from "./reading.js";
import { ReadingDialog } from "./reading_dialog.js";
import { Recital } from "./recital.js";
import { RunningMedian, rtpWorker } from "./rtp_clock.js";
import { fetchRuleNames } from "./rule_words.js";
import { gravest, isBroken } from "./rules.js";
import { SaidWhen } from "./said_when.js";
import { SamplesDialog, ayatRange } from "./samples.js";
import { renderSummary, spokenRule, spokenVerdict, wordCard } from "./summary_view.js";
import { Transports } from "./transports.js";
import { openMicrophone, openSample } from "./voice_source.js";
import { iceServers } from "./whip.js";
import { WordPopover } from "./word_popover.js";

/** @typedef {import("./messages.js").Surah} Surah */
/** @typedef {import("./messages.js").Passage} Passage */
/** @typedef {import("./messages.js").Sample} Sample */
/** @typedef {import("./recital.js").State} State */
/** @typedef {import("./voice_source.js").VoiceSource} VoiceSource */

const DEFAULT_VERSES = "1:1-7";
const FRAMES_REPORT_MS = 5000;

const query = new URLSearchParams(location.search);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const node = (/** @type {string} */ id) => find(document, `#${id}`, HTMLElement);

// the parts of the page
const hifz = new Hifz();
const view = new MushafView(node("mushaf"), still, (index) => hifz.veil(follow, index));
const finding = new FindingView(node("finding"), surahName, (at) => recital?.choose(at));
const dock = new Dock(node("dock"));
const meter = new LevelMeter(find(document, "#ribbon", HTMLCanvasElement), still);
const announcer = new Announcer(node("live"));
const picker = new Picker(find(document, "#picker", HTMLDialogElement), (ref) => void choosePassage(ref));
const samplesDialog = new SamplesDialog(find(document, "#samples", HTMLDialogElement), (sample) => void startSample(sample));
const card = new WordPopover(node("card"), node("dock"));
const said = new SaidWhen();
const readingDialog = new ReadingDialog(find(document, "#reading", HTMLDialogElement), (reading) => {
  recital?.readBy(written(reading));
});
const frameTimes = new FrameTimes();
const litLatency = new RunningMedian(9);
const judgedLatency = new RunningMedian(9);

// what is going on
/** @type {readonly Surah[]} */
let surahs = [];
/** @type {readonly Sample[]} */
let samples = [];
/** @type {Passage} */
let passage = { ref: DEFAULT_VERSES, words: [] };
let follow = beginFollow([]);
/** @type {AudioContext|null} */
let audio = null;
/** @type {OwnVoice|null} */
let voice = null;
/** @type {Recital|null} */
let recital = null;
let starting = false;
let seconds = 0;
let summarised = false;
let framesSentAt = 0;
/** @type {WakeLockSentinel|null} */
let awake = null;

/** The likeliest place that a screen reader was told, while it is sought. */
let toldPlace = "";

/** When the cursor reached the end of each word, epoch ms.  @type {Map<number, number>} */
const litAt = new Map();

// ---- text

/** @param {string} ref @returns {Promise<boolean>} */
async function choosePassage(ref) {
  if (recital) return false;
  hideError();
  try {
    passage = await fetchPassage(ref);
  } catch (error) {
    const known = error instanceof ApiError && error.status < 500;
    showError(t(known ? "error_passage" : "error_text"), known ? null : () => void choosePassage(ref));
    return false;
  }
  closeSummary();
  node("welcome").hidden = false;
  showPassage();
  dock.enter("idle", 0, false);
  return true;
}

/** Lays the passage out, untouched. */
function showPassage() {
  resetFollow();
  finding.close();
  view.render(passage, surahs);
  view.touchAll();
  scrollTo({ top: 0 });
  remember("verses", passage.ref);
  titlePassage();
}

/** Keeps a choice in the page's address, where reloading finds it.  @param {string} name @param {string} value */
function remember(name, value) {
  const address = new URL(location.href);
  if (value) address.searchParams.set(name, value);
  else address.searchParams.delete(name);
  history.replaceState(null, "", address.href.replaceAll("%3A", ":"));
}

function resetFollow() {
  follow = beginFollow(passage.words);
  said.clear();
  litAt.clear();
  summarised = false;
  node("again").hidden = true;
}

function titlePassage() {
  if (!passage.words.length) return;
  if (!follow.words.length) {
    node("passage-name").textContent = t("finding");
    node("passage-range").textContent = "";
    return;
  }
  const [surah, first] = splitAddress(passage.words[0].at);
  const [end, last] = splitAddress(passage.words[passage.words.length - 1].at);
  node("passage-name").textContent = surah === end ? surahName(surah) : `${surahName(surah)} – ${surahName(end)}`;
  node("passage-range").textContent = surah === end ? ayatRange(first, last) : `${number(first)} – ${number(last)}`;
}

/** @param {number} surah @returns {string} */
function surahName(surah) {
  return language() === "ar" ? surahs[surah - 1].name : surahs[surah - 1].latin;
}

// ---- voice

/** @returns {AudioContext} */
function audioContext() {
  audio ??= new AudioContext({ latencyHint: "interactive" });
  voice ??= new OwnVoice(audio);
  return audio;
}

async function startMicrophone() {
  await begin(async (context) => openMicrophone(context), microphoneProblem);
}

/** @param {Sample} sample */
async function startSample(sample) {
  if (recital || starting) return;
  if (sample.verses !== passage.ref && !(await choosePassage(sample.verses))) return;
  await begin((context) => openSample(context, sample.url), () => t("error_sample"));
}

/** Recite without saying where: the server finds it. */
async function startFinding() {
  await begin((context) => openMicrophone(context), microphoneProblem, true);
}

/**
 * @param {(context: AudioContext) => Promise<VoiceSource>} open @param {(error: unknown) => string} problem
 * @param {boolean} [seek] the passage is to be found
 */
async function begin(open, problem, seek = false) {
  if (recital || starting || !passage.words.length) return;
  starting = true;
  hideError();
  closeSummary();
  enter("connecting", 0);
  const context = audioContext();
  await soundAllowed(context);
  /** @type {VoiceSource} */
  let source;
  try {
    source = await open(context);
  } catch (error) {
    starting = false;
    enter("idle", 0);
    showError(problem(error), () => void begin(open, problem, seek));
    return;
  }
  resetFollow();
  hifz.begin();
  if (seek) seekPassage();
  else view.touchAll();
  node("welcome").hidden = true;
  litLatency.clear();
  judgedLatency.clear();
  dock.forgetLatency();
  meter.listen(context, source.node);
  voice?.record(source.stream);
  const transports = new Transports(query.get("token") ?? "", query.get("transport"));
  recital = new Recital(source, seek ? AUTO : passage.ref, follow, transports, {
    onstate: enter,
    onway: takeWay,
    onfeedback: takeChange,
    onrepaint: (touched) => view.touch(touched),
    oncandidates: takeCandidates,
    onfound: takeFound,
    onrefused: refuseReading,
    onerror: recitalError,
    onfinish: (took) => void finish(took),
  });
  starting = false;
  void stayAwake();
  recital.reading = written(readingDialog.reading);
  recital.start();
}

/** @param {string} why */
function refuseReading(why) {
  readingDialog.refuse(why);
  if (!find(document, "#reading", HTMLDialogElement).open) showError(t("reading_refused", { text: why }), null);
}

/** The text makes room for the places that the server thinks of.  The passage shown before is kept for coming back. */
function seekPassage() {
  follow = beginFollow([]);
  view.clear();
  finding.open();
  titlePassage();
}

/** @param {readonly import("./messages.js").Candidate[]} places */
function takeCandidates(places) {
  finding.show(places);
  const likeliest = places[0]?.at ?? "";
  noteEvent("candidates", { places: places.map(({ at, p }) => [at, p]) });
  if (likeliest && likeliest !== toldPlace) {
    const [surah, ayah] = splitAddress(likeliest);
    announcer.say("word", t("say_maybe", { surah: surahName(surah), ayah }));
  }
  toldPlace = likeliest;
}

/** @param {import("./messages.js").Found} found @returns {Promise<import("./follow.js").Follow|null>} */
async function takeFound(found) {
  noteEvent("found", { verses: found.verses, at: found.at, p: found.p });
  const mine = recital;
  try {
    const text = await fetchPassage(found.verses);
    if (recital !== mine) return null;
    passage = text;
  } catch {
    showError(t("error_text"), null);
    void mine?.stop();
    return null;
  }
  const zero_ms = said.zero_ms;
  showPassage();
  said.zero_ms = zero_ms;
  const [surah, ayah] = splitAddress(found.at);
  announcer.say("state", t("say_found", { surah: surahName(surah), ayah }));
  return follow;
}

/** A page opened with `autostart` may not make sound before it is touched.  @param {AudioContext} context */
async function soundAllowed(context) {
  if (context.state === "running") return;
  const resumed = context.resume();
  const soon = await Promise.race([resumed.then(() => true), new Promise((r) => setTimeout(() => r(false), 400))]);
  if (soon) return;
  node("state-hint").textContent = t("gesture_hint");
  const touched = new Promise((resolve) => {
    for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, resolve, { once: true });
  });
  await Promise.race([resumed, touched.then(() => context.resume())]);
}

async function stayAwake() {
  try {
    awake = (await navigator.wakeLock?.request("screen")) ?? null;
  } catch {
    // Refused when the battery is low: the screen may then dim.
  }
}

// ---- feedback

/** @param {State} state @param {number} tries */
function enter(state, tries) {
  const again = state === dock.state && state !== "disconnected";
  dock.enter(state, tries, recital !== null && !recital.ended);
  if (again) return;
  noteEvent("state", { state, tries });
  announcer.say("state", node("state-title").textContent ?? "");
}

/** @param {import("./connection.js").Way} way */
function takeWay(way) {
  observed.transport = way;
  noteEvent("transport", { way });
  dock.goBy(way);
}

/**
 * @param {import("./follow.js").Change} change @param {import("./messages.js").Feedback} message
 * @param {import("./recital.js").Arrival} arrival
 */
function takeChange(change, message, arrival) {
  view.touch(change.touched);
  said.zero_ms = arrival.zero_ms;
  if (change.newest) {
    noteLatency("latencies", arrival.latency_ms);
    observed.latencySource = arrival.measured ? "measured" : "estimated";
  }
  if (change.newest) tellHint(hifz.hear(follow, message));
  for (const place of change.lit) litAt.set(place, arrival.at_ms);
  for (const [, at, index, unit, , end, p, heard] of change.phones) {
    noteEvent("phone", { at, index, unit, p, heard, latency_ms: arrival.at_ms - said.at(end) });
  }
  for (const place of change.judged) {
    const word = follow.words[place];
    said.noteWord(word);
    if (word.end <= arrival.known_from) continue;
    const latency_ms = arrival.at_ms - said.at(word.end);
    const lit_ms = (litAt.get(place) ?? arrival.at_ms) - said.at(word.end);
    noteLatency("litLatencies", lit_ms);
    noteLatency("wordLatencies", latency_ms);
    litLatency.push(lit_ms);
    judgedLatency.push(latency_ms);
    dock.respond(litLatency.median, judgedLatency.median, arrival.measured, performance.now());
    noteEvent("word", { at: word.at, status: word.verdict, score: word.score, lit_ms, latency_ms });
    // What a rule tells is told once.
    const byRule = gravest(word.rules) !== null && doubts(word).length === 0;
    if (word.verdict !== "accepted" && !byRule) announcer.say("word", spokenVerdict(word));
  }
  for (const rule of change.rules) takeRule(rule, arrival);
  if (change.newest) dock.keepTime(follow.harakah_ms);
  if (change.moved && message.cursor) {
    const [at, phone, end] = message.cursor;
    noteEvent("cursor", { at, phone, latency_ms: arrival.at_ms - said.at(end) });
    const [surah, ayah] = splitAddress(at);
    dock.at(surahName(surah), ayah);
  }
}

/** @param {import("./rules.js").RuleHeard} rule @param {import("./recital.js").Arrival} arrival */
function takeRule(rule, arrival) {
  said.noteRule(rule);
  const latency_ms = arrival.at_ms - said.at(rule.end);
  const { at, severity, slip, measured } = rule;
  noteEvent("rule", { at, rule: rule.rule, severity, slip, measured, latency_ms });
  if (!isBroken(rule)) return;
  view.name(follow, rule);
  announcer.say("rule", spokenRule(rule, follow.words[follow.places.get(at) ?? 0]));
}

/** @param {number} took seconds */
async function finish(took) {
  seconds = took;
  recital = null;
  meter.stop();
  void awake?.release().catch(() => {});
  awake = null;
  dock.enter(dock.state, 0, false);
  await voice?.finish();
  if (!follow.words.length) {
    showPassage();
    if (dock.state !== "disconnected") showError(t("error_not_found"), () => void startFinding());
    return;
  }
  if (!follow.words.some((word) => word.verdict !== null || word.passed) && dock.state === "disconnected") return;
  said.noteLate(follow);
  summarised = true;
  node("again").hidden = false;
  openSummary();
}

// ---- from memory

/** @param {boolean} on */
function setHifz(on) {
  hifz.on = on;
  document.documentElement.dataset.hifz = String(on);
  node("hifz").setAttribute("aria-checked", String(on));
  remember("hifz", on ? "1" : "");
  view.touchAll();
}

function giveHint() {
  if (recital) tellHint(hifz.hint(follow));
}

/** @param {number} index of a word of which more is shown now, -1 for none */
function tellHint(index) {
  if (index < 0) return;
  view.touch([index]);
  const { at, text } = follow.words[index];
  const open = hifz.veil(follow, index) === "open";
  noteEvent("hint", { at, open });
  announcer.say("word", t("say_hint", { text: open ? text : text.slice(0, firstLetters(text)) }));
}

// ---- summary and cards

/** @type {import("./summary_view.js").Deeds} */
const deeds = {
  canHear: () => voice !== null && voice.ready,
  hear: (at, button) => hear(at, said.word(at), button),
  hearRule: (rule, button) => hear(rule.at, said.rule(rule), button),
  show: (at) => {
    if (innerWidth < 900) closeSummary();
    view.point(follow.places.get(at) ?? -1);
  },
};

/** @param {string} at @param {[from: number, to: number]|null} span @param {HTMLElement} button pressed */
function hear(at, span, button) {
  if (!span) return;
  button.classList.add("playing");
  view.point(follow.places.get(at) ?? -1);
  void voice?.play(span[0], span[1], () => button.classList.remove("playing"));
}

function openSummary() {
  renderSummary(node("summary-body"), follow, seconds, deeds, hifz);
  document.documentElement.dataset.summary = "open";
  node("summary").inert = false;
  node("summary").focus({ preventScroll: true });
}

function closeSummary() {
  delete document.documentElement.dataset.summary;
  node("summary").inert = true;
}

/** @param {HTMLElement} span */
function openCard(span) {
  const word = follow.words[Number(span.dataset.index)];
  if (!word || (word.verdict === null && !span.dataset.rule)) return;
  card.open(span, wordCard(word, follow, deeds));
}

// ---- errors

/** @param {string} text @param {(() => void)|null} retry */
function showError(text, retry) {
  noteEvent("error", { text });
  node("error-text").textContent = text;
  const button = node("error-retry");
  button.hidden = retry === null;
  button.onclick = () => {
    hideError();
    retry?.();
  };
  node("error").hidden = false;
}

function hideError() {
  node("error").hidden = true;
}

/** @param {Error} error @param {number|null} again_s */
function recitalError(error, again_s) {
  showError(recitalProblem(error, again_s), null);
  if (again_s !== null) setTimeout(hideError, again_s * 1000);
}

// ---- controls

function toggle() {
  if (recital) void recital.stop();
  else void startMicrophone();
}

function offerSamples() {
  if (recital || starting) return;
  if (samples.length === 1) void startSample(samples[0]);
  else samplesDialog.open(samples, surahs, surahName);
}

function switchLanguage() {
  setLanguage(language() === "ar" ? "en" : "ar", true);
  dock.retell();
  titlePassage();
  finding.retell();
  view.retitle(surahs);
  view.touchAll();
  if (summarised && document.documentElement.dataset.summary) openSummary();
}

/** @param {KeyboardEvent} event */
function shortcut(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (target.matches(".w") && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    openCard(target);
  } else if (event.key === " " && !target.closest("button, input, a")) {
    event.preventDefault();
    toggle();
  } else if (event.key === "/") {
    event.preventDefault();
    if (!recital) picker.open(surahs, passage.ref);
  } else if (event.code === "KeyF") void startFinding();
  else if (event.code === "KeyH") giveHint();
  else if (event.key === "Escape") closeSummary();
}

function wire() {
  node("mic").addEventListener("click", toggle);
  node("try-sample").addEventListener("click", offerSamples);
  node("language").addEventListener("click", switchLanguage);
  node("passage").addEventListener("click", () => {
    if (!recital && surahs.length) picker.open(surahs, passage.ref);
  });
  node("find").addEventListener("click", () => void startFinding());
  node("hifz").addEventListener("click", () => setHifz(!hifz.on));
  node("hint").addEventListener("click", giveHint);
  node("read-by").addEventListener("click", () => readingDialog.open());
  node("summary-print").addEventListener("click", () => print());
  node("again").addEventListener("click", openSummary);
  node("summary-close").addEventListener("click", closeSummary);
  node("summary-again").addEventListener("click", () => void startMicrophone());
  node("error-close").addEventListener("click", hideError);
  node("mushaf").addEventListener("click", (event) => {
    const span = /** @type {HTMLElement} */ (event.target).closest(".w");
    if (span instanceof HTMLElement) openCard(span);
  });
  addEventListener("keydown", shortcut);
  addEventListener("pagehide", () => recital?.abandon());
  document.addEventListener("visibilitychange", () => {
    frameTimes.pause();
    if (document.visibilityState === "visible" && recital) void stayAwake();
  });
}

/** The page's one animation loop.  @param {number} now */
function frame(now) {
  frameTimes.frame(now);
  view.frame(follow);
  meter.frame(now);
  if (recital && now - framesSentAt > FRAMES_REPORT_MS) {
    framesSentAt = now;
    observed.frames.p95_ms = frameTimes.p95_ms;
    if (!Number.isNaN(observed.frames.p95_ms)) recital.send({ type: "frames", p95_ms: observed.frames.p95_ms });
  }
  requestAnimationFrame(frame);
}

async function load() {
  try {
    const [told, bundled] = await Promise.all([fetchSurahs(), fetchSamples().catch(() => [])]);
    surahs = told;
    samples = bundled;
  } catch {
    showError(t("error_surahs"), () => void load());
    return;
  }
  // Without names rules are only called rules: no reason to keep anybody from reciting.
  void fetchRuleNames().catch(() => {});
  node("try-sample").hidden = samples.length === 0;
  const asked = query.get("verses") ?? DEFAULT_VERSES;
  if (!(await choosePassage(asked))) {
    const problem = node("error-text").textContent ?? "";
    if (asked === DEFAULT_VERSES || !(await choosePassage(DEFAULT_VERSES))) return;
    showError(problem, null);
  }
  const autostart = query.get("autostart");
  if (autostart === "mic") await startMicrophone();
  if (autostart === "find") await startFinding();
  const sample = samples.find(({ verses }) => verses === passage.ref) ?? samples[0];
  if (autostart === "sample" && sample) await startSample(sample);
}

setLanguage(preferredLanguage(query.get("lang")));
dock.enter("idle", 0, false);
setHifz(query.get("hifz") === "1");
wire();
void rtpWorker();
void iceServers(query.get("token") ?? "");
requestAnimationFrame(frame);
void load();
