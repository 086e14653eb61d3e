/** The student page: joins the text, the voice, the server's feedback and what is shown of it. */
import { Announcer } from "./announce.js";
import { Dock } from "./dock.js";
import { beginFollow } from "./follow.js";
import { language, number, preferredLanguage, setLanguage, t } from "./i18n.js";
import { LevelMeter } from "./meter.js";
import { SAMPLE_HZ } from "./messages.js";
import { MushafView } from "./mushaf_view.js";
import { FrameTimes, noteEvent, noteLatency, observed } from "./observe.js";
import { OwnVoice } from "./own_voice.js";
import { ApiError, fetchPassage, fetchSamples, fetchSurahs, parseRef, splitAddress } from "./passage.js";
import { Picker, find } from "./picker.js";
import { Recital } from "./recital.js";
import { RunningMedian, rtpWorker } from "./rtp_clock.js";
import { renderSummary, spokenVerdict, wordCard } from "./summary_view.js";
import { openMicrophone, openSample } from "./voice_source.js";
import { WhipError, iceServers } from "./whip.js";

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
const view = new MushafView(node("mushaf"), still);
const dock = new Dock(node("dock"));
const meter = new LevelMeter(find(document, "#ribbon", HTMLCanvasElement), still);
const announcer = new Announcer(node("live"));
const picker = new Picker(find(document, "#picker", HTMLDialogElement), (ref) => void choosePassage(ref));
const samplesDialog = find(document, "#samples", HTMLDialogElement);
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

/** When each judged word was said, in epoch ms of capture.  @type {Map<string, [from: number, to: number]>} */
const spoken = new Map();
let sessionZero = NaN;

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
  resetFollow();
  view.render(passage, surahs);
  view.touchAll();
  scrollTo({ top: 0 });
  dock.enter("idle", 0, false);
  const address = new URL(location.href);
  address.searchParams.set("verses", passage.ref || ref);
  history.replaceState(null, "", address.href.replaceAll("%3A", ":"));
  titlePassage();
  return true;
}

function resetFollow() {
  follow = beginFollow(passage.words);
  spoken.clear();
  litAt.clear();
  sessionZero = NaN;
  summarised = false;
  node("again").hidden = true;
}

function titlePassage() {
  if (!passage.words.length) return;
  const [surah, first] = splitAddress(passage.words[0].at);
  const [end, last] = splitAddress(passage.words[passage.words.length - 1].at);
  const name = (/** @type {number} */ index) =>
    language() === "ar" ? surahs[index - 1].name : surahs[index - 1].latin;
  node("passage-name").textContent = surah === end ? name(surah) : `${name(surah)} – ${name(end)}`;
  node("passage-range").textContent = surah === end ? ayatRange(first, last) : `${number(first)} – ${number(last)}`;
}

/** @param {number} first @param {number} last */
function ayatRange(first, last) {
  return first === last ? number(first) : `${number(first)}–${number(last)}`;
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

/** @param {(context: AudioContext) => Promise<VoiceSource>} open @param {(error: unknown) => string} problem */
async function begin(open, problem) {
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
    showError(problem(error), () => void begin(open, problem));
    return;
  }
  resetFollow();
  view.touchAll();
  node("welcome").hidden = true;
  litLatency.clear();
  judgedLatency.clear();
  dock.forgetLatency();
  meter.listen(context, source.node);
  voice?.record(source.stream);
  recital = new Recital(source, passage.ref, follow, query.get("token") ?? "", {
    onstate: enter,
    onfeedback: takeChange,
    onrepaint: (touched) => view.touch(touched),
    onerror: recitalError,
    onfinish: (took) => void finish(took),
  });
  starting = false;
  void stayAwake();
  recital.start();
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

/** @param {unknown} error */
function microphoneProblem(error) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return t("error_mic_denied");
  if (name === "SecurityError") return t("error_mic_insecure");
  if (name === "NotReadableError") return t("error_mic_busy");
  return t("error_mic_missing");
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

/**
 * @param {import("./follow.js").Change} change @param {import("./messages.js").Feedback} message
 * @param {import("./recital.js").Arrival} arrival
 */
function takeChange(change, message, arrival) {
  view.touch(change.touched);
  sessionZero = arrival.zero_ms;
  const when = (/** @type {number} */ sample) => arrival.zero_ms + (sample * 1000) / SAMPLE_HZ;
  if (change.newest) {
    noteLatency("latencies", arrival.latency_ms);
    observed.latencySource = arrival.measured ? "measured" : "estimated";
  }
  for (const place of change.lit) litAt.set(place, arrival.at_ms);
  for (const [, at, index, unit, , end, p, heard] of change.phones) {
    noteEvent("phone", { at, index, unit, p, heard, latency_ms: arrival.at_ms - when(end) });
  }
  for (const place of change.judged) {
    const word = follow.words[place];
    spoken.set(word.at, [when(word.start), when(word.end)]);
    const latency_ms = arrival.at_ms - when(word.end);
    const lit_ms = (litAt.get(place) ?? arrival.at_ms) - when(word.end);
    noteLatency("litLatencies", lit_ms);
    noteLatency("wordLatencies", latency_ms);
    litLatency.push(lit_ms);
    judgedLatency.push(latency_ms);
    dock.respond(litLatency.median, judgedLatency.median, arrival.measured, performance.now());
    noteEvent("word", { at: word.at, status: word.verdict, score: word.score, lit_ms, latency_ms });
    if (word.verdict !== "accepted") announcer.say("word", spokenVerdict(word));
  }
  if (change.moved && message.cursor) {
    const [at, phone, end] = message.cursor;
    noteEvent("cursor", { at, phone, latency_ms: arrival.at_ms - when(end) });
    const [surah, ayah] = splitAddress(at);
    dock.at(language() === "ar" ? surahs[surah - 1].name : surahs[surah - 1].latin, ayah);
  }
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
  if (!follow.words.some((word) => word.verdict !== null || word.passed) && dock.state === "disconnected") return;
  for (const word of follow.words) {
    // A verdict that only came with the summary is placed by the last known start of the session.
    if (word.verdict === null || spoken.has(word.at) || word.end <= word.start || Number.isNaN(sessionZero)) continue;
    const ms = 1000 / SAMPLE_HZ;
    spoken.set(word.at, [sessionZero + word.start * ms, sessionZero + word.end * ms]);
  }
  summarised = true;
  node("again").hidden = false;
  openSummary();
}

// ---- summary and cards

/** @type {import("./summary_view.js").Deeds} */
const deeds = {
  canHear: () => voice !== null && voice.ready,
  hear: (at, button) => {
    const span = spoken.get(at);
    if (!span) return;
    button.classList.add("playing");
    view.point(follow.places.get(at) ?? -1);
    void voice?.play(span[0], span[1], () => button.classList.remove("playing"));
  },
  show: (at) => {
    if (innerWidth < 900) closeSummary();
    view.point(follow.places.get(at) ?? -1);
  },
};

function openSummary() {
  renderSummary(node("summary-body"), follow, seconds, deeds);
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
  const card = node("card");
  const word = follow.words[Number(span.dataset.index)];
  if (!word || word.verdict === null) return;
  card.replaceChildren(wordCard(word, follow, deeds));
  card.showPopover();
  const box = span.getBoundingClientRect();
  const gap = 10;
  const left = Math.min(Math.max(gap, box.left + box.width / 2 - card.offsetWidth / 2), innerWidth - card.offsetWidth - gap);
  const above = box.bottom + gap + card.offsetHeight > innerHeight - node("dock").offsetHeight;
  card.style.left = `${left}px`;
  card.style.top = `${above ? Math.max(gap, box.top - gap - card.offsetHeight) : box.bottom + gap}px`;
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

/** @param {Error} error @param {number|null} again_s @returns {string} */
function recitalProblem(error, again_s) {
  if (!(error instanceof WhipError)) return t("error_refused", { text: error.message });
  if (error.status === 503 || error.status === 429) return t("error_full", { n: again_s ?? 0 });
  if (error.status === 401 || error.status === 403) return t("error_auth");
  if (error.status === 404) return t("error_passage");
  if (error.status >= 500) return t("error_server", { n: again_s ?? 0 });
  if (error.status >= 400) return t("error_refused", { text: error.message });
  return t("error_unreachable");
}

// ---- controls

function toggle() {
  if (recital) void recital.stop();
  else void startMicrophone();
}

function offerSamples() {
  if (recital || starting) return;
  if (samples.length === 1) {
    void startSample(samples[0]);
    return;
  }
  const list = node("samples-list");
  list.replaceChildren(
    ...samples.map((sample) => {
      const button = document.createElement("button");
      button.className = "sample";
      const range = parseRef(sample.verses);
      const surah = range && surahs[range.surah - 1];
      const name = surah ? (language() === "ar" ? surah.name : surah.latin) : sample.verses;
      const title = document.createElement("span");
      title.className = "sample-name";
      title.textContent = sample.title ?? name;
      const ref = document.createElement("bdi");
      ref.className = "sample-ref";
      const last = range && (range.last || (surah ? surah.ayat : range.first));
      ref.textContent = range ? ayatRange(range.first, last ?? range.first) : "";
      button.append(title, ref);
      button.addEventListener("click", () => {
        samplesDialog.close();
        void startSample(sample);
      });
      return button;
    }),
  );
  if (!samples.length) list.textContent = t("no_samples");
  samplesDialog.showModal();
}

function switchLanguage() {
  setLanguage(language() === "ar" ? "en" : "ar", true);
  dock.retell();
  titlePassage();
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
  } else if (event.key === "Escape") closeSummary();
}

function wire() {
  node("mic").addEventListener("click", toggle);
  node("try-sample").addEventListener("click", offerSamples);
  node("language").addEventListener("click", switchLanguage);
  node("passage").addEventListener("click", () => {
    if (!recital && surahs.length) picker.open(surahs, passage.ref);
  });
  node("again").addEventListener("click", openSummary);
  node("summary-close").addEventListener("click", closeSummary);
  node("summary-again").addEventListener("click", () => void startMicrophone());
  node("error-close").addEventListener("click", hideError);
  node("samples-close").addEventListener("click", () => samplesDialog.close());
  samplesDialog.addEventListener("click", (event) => {
    if (event.target === samplesDialog) samplesDialog.close();
  });
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
  node("try-sample").hidden = samples.length === 0;
  const asked = query.get("verses") ?? DEFAULT_VERSES;
  if (!(await choosePassage(asked))) {
    const problem = node("error-text").textContent ?? "";
    if (asked === DEFAULT_VERSES || !(await choosePassage(DEFAULT_VERSES))) return;
    showError(problem, null);
  }
  const autostart = query.get("autostart");
  if (autostart === "mic") await startMicrophone();
  const sample = samples.find(({ verses }) => verses === passage.ref) ?? samples[0];
  if (autostart === "sample" && sample) await startSample(sample);
}

setLanguage(preferredLanguage(query.get("lang")));
dock.enter("idle", 0, false);
wire();
void rtpWorker();
void iceServers(query.get("token") ?? "");
requestAnimationFrame(frame);
void load();
