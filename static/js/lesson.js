/**
 * A lesson: the student chooses a passage, recites it as often as they like, and is told each time.  Joins the voice and
 * its recital with the sheet, the dock, and the summary.
 *
 * @typedef {import("./recital.js").State} State
 * @typedef {import("./voice_source.js").VoiceSource} VoiceSource
 * @typedef {(context: AudioContext) => Promise<VoiceSource>} Open
 *
 * @typedef {object} Parts of the page
 * @property {import("./sheet.js").Sheet} sheet
 * @property {import("./heard.js").Heard} heard
 * @property {import("./dock.js").Dock} dock
 * @property {import("./meter.js").LevelMeter} meter
 * @property {import("./pictures.js").Pictures} pictures
 * @property {import("./replay.js").Replay} replay
 * @property {import("./voice_watch.js").VoiceWatch} watch
 * @property {import("./announce.js").Announcer} announcer
 * @property {import("./hifz.js").Hifz} hifz
 * @property {import("./error_bar.js").ErrorBar} errors
 * @property {import("./summary_panel.js").SummaryPanel} summary
 * @property {import("./reading_dialog.js").ReadingDialog} readingDialog
 * @property {import("./consent.js").Consent} consent
 * @property {import("./remarks.js").Remarks} remarks
 */
import { query, token } from "./address.js";
import { t } from "./i18n.js";
import { AUTO } from "./messages.js";
import { noteEvent, observed } from "./observe.js";
import { OwnVoice } from "./own_voice.js";
import { ApiError, fetchPassage, splitAddress } from "./passage.js";
import { find } from "./picker.js";
import { microphoneProblem, recitalProblem } from "./problems.js";
import { written } from "./reading.js";
import { Recital } from "./recital.js";
import { ScreenAwake } from "./screen_awake.js";
import { Transports } from "./transports.js";
import { openMicrophone, openSample } from "./voice_source.js";

/** What a browser that lets a page make sound may take to say so. */
const SOUND_ALLOWED_MS = 400;

export class Lesson {
  /** @param {HTMLElement} page the whole document's body @param {Parts} parts */
  constructor(page, parts) {
    this.parts = parts;
    this.welcome = find(page, "#welcome", HTMLElement);
    this.stateTitle = find(page, "#state-title", HTMLElement);
    this.stateHint = find(page, "#state-hint", HTMLElement);
    this.awake = new ScreenAwake();
    /** @type {AudioContext|null} */
    this.audio = null;
    /** @type {OwnVoice|null} */
    this.voice = null;
    /** @type {Recital|null} */
    this.recital = null;
    this.starting = false;
    /** The likeliest place that a screen reader was told, while it is sought. */
    this.toldPlace = "";
  }

  /** @returns {boolean} a recitation is going on or about to */
  get busy() {
    return this.recital !== null || this.starting;
  }

  // ---- text

  /** @param {string} ref @returns {Promise<boolean>} whether it lies open */
  async choose(ref) {
    const { dock, errors, summary } = this.parts;
    if (this.recital) return false;
    errors.hide();
    /** @type {import("./messages.js").Passage} */
    let passage;
    try {
      passage = await fetchPassage(ref);
    } catch (error) {
      const known = error instanceof ApiError && error.status < 500;
      errors.show(t(known ? "error_passage" : "error_text"), known ? null : () => void this.choose(ref));
      return false;
    }
    summary.close();
    this.welcome.hidden = false;
    this.#lay(passage);
    dock.enter("idle", 0, false);
    return true;
  }

  /** @param {import("./messages.js").Passage} passage */
  #lay(passage) {
    this.parts.heard.reset();
    this.parts.summary.forget();
    this.parts.sheet.lay(passage);
  }

  // ---- voice

  startMicrophone() {
    return this.#begin(openMicrophone, microphoneProblem);
  }

  /** Go on with the recitation that the page was in when it was loaded again.  @param {string} resume token */
  startAgain(resume) {
    return this.#begin(openMicrophone, microphoneProblem, false, resume);
  }

  /** Recite without saying where: the server finds it. */
  startFinding() {
    return this.#begin(openMicrophone, microphoneProblem, true);
  }

  /** @param {import("./messages.js").Sample} sample */
  async startSample(sample) {
    if (this.busy) return;
    if (sample.verses !== this.parts.sheet.passage.ref && !(await this.choose(sample.verses))) return;
    await this.#begin((context) => openSample(context, sample.url), () => t("error_sample"));
  }

  /** Another microphone was chosen: heard at once where nothing was judged yet, otherwise from the next recitation on. */
  async changeMicrophone() {
    const begun = this.parts.sheet.follow.words.some((word) => word.verdict !== null);
    if (this.recital?.source.kind !== "mic" || begun) return;
    await this.recital.stop();
    await this.startMicrophone();
  }

  /** The microphone's button. */
  toggle() {
    if (this.recital) void this.recital.stop();
    else void this.startMicrophone();
  }

  /** @param {Open} open @param {(error: unknown) => string} problem @param {boolean} [seek] the passage is to be found
   * @param {string} [resume] token of the session to take up */
  async #begin(open, problem, seek = false, resume = "") {
    const { dock, errors, summary, sheet } = this.parts;
    if (this.busy || !sheet.passage.words.length) return;
    this.starting = true;
    errors.hide();
    summary.close();
    this.#enter("connecting", 0);
    const context = this.#audioContext();
    await this.#soundAllowed(context);
    /** @type {VoiceSource} */
    let source;
    try {
      source = await open(context);
    } catch (error) {
      this.starting = false;
      this.#enter("idle", 0);
      errors.show(problem(error), () => void this.#begin(open, problem, seek, resume));
      return;
    }
    this.#recite(context, source, seek, resume);
    this.starting = false;
    this.recital?.start();
  }

  /** @param {AudioContext} context @param {VoiceSource} source @param {boolean} seek @param {string} resume */
  #recite(context, source, seek, resume) {
    const { sheet, heard, meter, pictures, watch, summary, readingDialog } = this.parts;
    heard.reset();
    heard.begin();
    summary.forget();
    sheet.reset();
    if (seek) sheet.seek();
    else sheet.view.touchAll();
    this.welcome.hidden = true;
    meter.listen(context, source.node);
    pictures.begin();
    watch.begin(context, source);
    void this.voice?.record(source.stream);
    this.parts.remarks.clear();
    const transports = new Transports(token, query.get("transport"));
    this.recital = new Recital(source, seek ? AUTO : sheet.passage.ref, sheet.follow, transports, {
      onstate: (state, tries) => this.#enter(state, tries),
      onway: (way) => this.#takeWay(way),
      onfeedback: (change, message, arrival) => {
        heard.take(change, message, arrival);
        pictures.keepTime(sheet.follow.harakah_ms);
      },
      onrepaint: (touched) => sheet.view.touch(touched),
      oncandidates: (places) => this.#takeCandidates(places),
      onfound: (found) => this.#takeFound(found),
      onrefused: (why) => this.#refuseReading(why),
      onerror: (error, again_s) => this.#fail(error, again_s),
      onteacher: (message) => this.#takeTeacher(message),
      onfinish: (seconds) => this.#finish(seconds),
    }, resume);
    void this.awake.keep();
    this.recital.reading = written(readingDialog.reading);
  }

  /** @returns {AudioContext} */
  #audioContext() {
    this.audio ??= new AudioContext({ latencyHint: "interactive" });
    this.voice ??= new OwnVoice(this.audio, (frame, captured_ms) => {
      this.parts.pictures.columns.push(frame, captured_ms);
      this.parts.watch.hear(frame);
    });
    this.parts.replay.voice = this.voice;
    observed.sound = (from_ms, to_ms) => this.voice?.recording.slice(from_ms, to_ms) ?? new Float32Array(0);
    return this.audio;
  }

  /** A page opened with `autostart` may not make sound before it is touched.  @param {AudioContext} context */
  async #soundAllowed(context) {
    if (context.state === "running") return;
    const resumed = context.resume();
    const late = new Promise((resolve) => setTimeout(() => resolve(false), SOUND_ALLOWED_MS));
    if (await Promise.race([resumed.then(() => true), late])) return;
    this.stateHint.textContent = t("gesture_hint");
    const touched = new Promise((resolve) => {
      for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, resolve, { once: true });
    });
    await Promise.race([resumed, touched.then(() => context.resume())]);
  }

  // ---- what the recital tells

  /** @param {State} state @param {number} tries */
  #enter(state, tries) {
    const { dock, announcer } = this.parts;
    const again = state === dock.state && state !== "disconnected";
    dock.enter(state, tries, this.recital !== null && !this.recital.ended);
    if (again) return;
    noteEvent("state", { state, tries });
    announcer.say("state", this.stateTitle.textContent ?? "");
  }

  /** @param {import("./connection.js").Way} way */
  #takeWay(way) {
    observed.transport = way;
    noteEvent("transport", { way });
    this.parts.dock.goBy(way);
  }

  /** @param {readonly import("./messages.js").Candidate[]} places */
  #takeCandidates(places) {
    const { sheet, announcer } = this.parts;
    sheet.finding.show(places);
    const likeliest = places[0]?.at ?? "";
    noteEvent("candidates", { places: places.map(({ at, p }) => [at, p]) });
    if (likeliest && likeliest !== this.toldPlace) {
      const [surah, ayah] = splitAddress(likeliest);
      announcer.say("word", t("say_maybe", { surah: sheet.surahName(surah), ayah }));
    }
    this.toldPlace = likeliest;
  }

  /** @param {import("./messages.js").Found} found @returns {Promise<import("./follow.js").Follow|null>} */
  async #takeFound(found) {
    const { sheet, heard, announcer, errors } = this.parts;
    noteEvent("found", { verses: found.verses, at: found.at, p: found.p });
    const mine = this.recital;
    const { zero_ms } = heard.said;
    /** @type {import("./messages.js").Passage} */
    let passage;
    try {
      passage = await fetchPassage(found.verses);
    } catch {
      errors.show(t("error_text"), null);
      void mine?.stop();
      return null;
    }
    if (this.recital !== mine) return null;
    this.#lay(passage);
    heard.said.zero_ms = zero_ms;
    const [surah, ayah] = splitAddress(found.at);
    announcer.say("state", t("say_found", { surah: sheet.surahName(surah), ayah }));
    return sheet.follow;
  }

  /** @param {string} why */
  #refuseReading(why) {
    const { readingDialog, errors } = this.parts;
    readingDialog.refuse(why);
    if (!readingDialog.dialog.open) errors.show(t("reading_refused", { text: why }), null);
  }

  /** @param {Error} error @param {number|null} again_s */
  #fail(error, again_s) {
    const { errors } = this.parts;
    errors.show(recitalProblem(error, again_s), null);
    if (again_s !== null) setTimeout(() => errors.hide(), again_s * 1000);
  }

  /** @param {number} seconds */
  #finish(seconds) {
    const { sheet, heard, meter, pictures, watch, dock, errors, summary } = this.parts;
    this.recital = null;
    this.parts.consent.leave();
    meter.stop();
    pictures.end();
    watch.end();
    this.voice?.finish();
    this.awake.letGo();
    dock.enter(dock.state, 0, false);
    const broken = dock.state === "disconnected";
    if (!sheet.follow.words.length) {
      this.#lay(sheet.passage);
      if (!broken) errors.show(t("error_not_found"), () => void this.startFinding());
      return;
    }
    if (broken && !sheet.follow.words.some((word) => word.verdict !== null || word.passed)) return;
    heard.said.noteLate(sheet.follow);
    summary.finish(seconds);
  }

  /** @param {import("./messages.js").FromTeacher} message */
  #takeTeacher(message) {
    if (message.type === "listened") this.parts.consent.take(message);
    else this.parts.remarks.take(message);
  }

  giveHint() {
    if (this.recital) this.parts.heard.tellHint(this.parts.hifz.hint(this.parts.sheet.follow));
  }
}
