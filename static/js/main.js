/** The student page: makes its parts, wires its controls, and runs its one animation loop. */
import { query, remember, token } from "./address.js";
import { Announcer } from "./announce.js";
import { Consent } from "./consent.js";
import { Dock } from "./dock.js";
import { ErrorBar } from "./error_bar.js";
import { Heard } from "./heard.js";
import { Hifz } from "./hifz.js";
import { language, preferredLanguage, setLanguage, t } from "./i18n.js";
import { Lesson } from "./lesson.js";
import { LookDialog } from "./look_dialog.js";
import { LevelMeter } from "./meter.js";
import { FrameTimes, observed } from "./observe.js";
import { fetchSamples, fetchSurahs } from "./passage.js";
import { Picker, find } from "./picker.js";
import { Pictures } from "./pictures.js";
import { ProgressDialog } from "./progress.js";
import { readingOf, written } from "./reading.js";
import { ReadingDialog } from "./reading_dialog.js";
import { Replay } from "./replay.js";
import { Remarks } from "./remarks.js";
import { kept } from "./resume.js";
import { rtpWorker } from "./rtp_clock.js";
import { fetchRuleNames } from "./rule_words.js";
import { SamplesDialog } from "./samples.js";
import { DEFAULT_VERSES, Sheet } from "./sheet.js";
import { SummaryPanel } from "./summary_panel.js";
import { VoiceColumns } from "./voice_columns.js";
import { VoiceWatch } from "./voice_watch.js";
import { iceServers } from "./whip.js";

const FRAMES_REPORT_MS = 5000;

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const page = document.body;
const node = (/** @type {string} */ id) => find(document, `#${id}`, HTMLElement);

const hifz = new Hifz();
const sheet = new Sheet(page, still, hifz, (at) => lesson.recital?.choose(at));
const dock = new Dock(node("dock"));
const meter = new LevelMeter(find(document, "#ribbon", HTMLCanvasElement), still);
const announcer = new Announcer(node("live"));
const errors = new ErrorBar(node("error"));
const heard = new Heard(sheet, dock, announcer, hifz);
const columns = new VoiceColumns();
const pictures = new Pictures(find(document, "#pictures", HTMLCanvasElement), columns, sheet, heard.said);
const replay = new Replay(columns, sheet, heard.said);
const summary = new SummaryPanel(page, sheet, replay, hifz);
const readingDialog = new ReadingDialog(find(document, "#reading", HTMLDialogElement), (reading) => {
  lesson.recital?.readBy(written(reading));
  progress.keepReading(written(reading));
});
const lookDialog = new LookDialog(find(document, "#look", HTMLDialogElement), repaint, () => void lesson.changeMicrophone());
const watch = new VoiceWatch(node("notice"), () => lookDialog.open());
const consent = new Consent(node("consent"), (may) => lesson.recital?.send({ type: "consent", may }));
const remarks = new Remarks(node("notes"), sheet);
const lesson = new Lesson(page, {
  sheet, heard, dock, meter, pictures, replay, watch, announcer, hifz, errors, summary, readingDialog, consent, remarks,
});
const picker = new Picker(find(document, "#picker", HTMLDialogElement), (ref) => void lesson.choose(ref), () => {
  void lesson.startFinding();
});
const samplesDialog = new SamplesDialog(find(document, "#samples", HTMLDialogElement), (sample) => {
  void lesson.startSample(sample);
});
const progress = new ProgressDialog(page, token, sheet, (at) => void lesson.choose(at));
const frameTimes = new FrameTimes();

/** @type {readonly import("./messages.js").Sample[]} */
let samples = [];
let framesSentAt = 0;

/** @param {boolean} on */
function setHifz(on) {
  hifz.on = on;
  document.documentElement.dataset.hifz = String(on);
  node("hifz").setAttribute("aria-checked", String(on));
  remember("hifz", on ? "1" : "");
  sheet.view.touchAll();
}

/** Colours or measures changed: what is drawn rather than styled is drawn again. */
function repaint() {
  meter.fit();
  pictures.painter.fit();
  summary.retell();
}

function offerSamples() {
  if (lesson.busy) return;
  if (samples.length === 1) void lesson.startSample(samples[0]);
  else samplesDialog.open(samples, sheet.surahs, (surah) => sheet.surahName(surah));
}

function openPicker() {
  if (!lesson.recital && sheet.surahs.length) picker.open(sheet.surahs, sheet.passage.ref);
}

function switchLanguage() {
  setLanguage(language() === "ar" ? "en" : "ar", true);
  dock.retell();
  sheet.retell();
  watch.retell();
  consent.retell();
  remarks.retell();
  repaint();
}

/** @param {KeyboardEvent} event */
function shortcut(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (target.matches(".w") && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    summary.openCard(target);
  } else if (event.key === " " && !target.closest("button, input, a")) {
    event.preventDefault();
    lesson.toggle();
  } else if (event.key === "/") {
    event.preventDefault();
    openPicker();
  } else if (event.code === "KeyF") void lesson.startFinding();
  else if (event.code === "KeyH") lesson.giveHint();
  else if (event.key === "+" || event.key === "=") lookDialog.resize(1);
  else if (event.key === "-") lookDialog.resize(-1);
  else if (event.key === "Escape") summary.close();
}

function wire() {
  node("mic").addEventListener("click", () => lesson.toggle());
  node("try-sample").addEventListener("click", offerSamples);
  node("language").addEventListener("click", switchLanguage);
  node("passage").addEventListener("click", openPicker);
  node("find").addEventListener("click", () => void lesson.startFinding());
  node("hifz").addEventListener("click", () => setHifz(!hifz.on));
  node("hint").addEventListener("click", () => lesson.giveHint());
  node("look-open").addEventListener("click", () => lookDialog.open());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  node("read-by").addEventListener("click", () => readingDialog.open());
  node("summary-again").addEventListener("click", () => void lesson.startMicrophone());
  node("mushaf").addEventListener("click", (event) => {
    const span = /** @type {HTMLElement} */ (event.target).closest(".w");
    if (span instanceof HTMLElement) summary.openCard(span);
  });
  addEventListener("keydown", shortcut);
  addEventListener("pagehide", () => lesson.recital?.abandon());
  document.addEventListener("visibilitychange", () => {
    frameTimes.pause();
    if (document.visibilityState === "visible" && lesson.recital) void lesson.awake.keep();
  });
}

/** The page's one animation loop.  @param {number} now */
function frame(now) {
  frameTimes.frame(now);
  sheet.view.frame(sheet.follow);
  meter.frame(now);
  pictures.frame();
  replay.frame();
  frameTimes.done();
  if (lesson.recital && now - framesSentAt > FRAMES_REPORT_MS) {
    framesSentAt = now;
    observed.frames.p95_ms = frameTimes.p95_ms;
    observed.frames.work_p95_ms = frameTimes.work_p95_ms;
    if (!Number.isNaN(observed.frames.p95_ms)) lesson.recital.send({ type: "frames", p95_ms: observed.frames.p95_ms });
  }
  requestAnimationFrame(frame);
}

async function load() {
  try {
    const [told, bundled] = await Promise.all([fetchSurahs(), fetchSamples().catch(() => [])]);
    sheet.surahs = told;
    samples = bundled;
  } catch {
    errors.show(t("error_surahs"), () => void load());
    return;
  }
  // Without names rules are only called rules: no reason to keep anybody from reciting.
  void fetchRuleNames().catch(() => {});
  void progress.offer().then((reading) => reading !== null && readingDialog.adopt(readingOf(reading)));
  node("try-sample").hidden = samples.length === 0;
  const before = kept();
  if (before && (await lesson.choose(before.verses))) {
    await lesson.startAgain(before.resume);
    return;
  }
  const asked = query.get("verses") ?? DEFAULT_VERSES;
  if (!(await lesson.choose(asked))) {
    const problem = errors.text.textContent ?? "";
    if (asked === DEFAULT_VERSES || !(await lesson.choose(DEFAULT_VERSES))) return;
    errors.show(problem, null);
  }
  const autostart = query.get("autostart");
  if (autostart === "mic") await lesson.startMicrophone();
  if (autostart === "find") await lesson.startFinding();
  const sample = samples.find(({ verses }) => verses === sheet.passage.ref) ?? samples[0];
  if (autostart === "sample" && sample) await lesson.startSample(sample);
}

setLanguage(preferredLanguage(query.get("lang")));
dock.enter("idle", 0, false);
setHifz(query.get("hifz") === "1");
wire();
void rtpWorker();
void iceServers(token);
requestAnimationFrame(frame);
void load();
