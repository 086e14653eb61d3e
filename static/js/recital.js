/**
 * One recitation of a passage, from the first sound to the summary, across lost connections.  On AUTO the passage comes
 * once the server has found it; verdicts that overtake it are kept until its text is there.
 *
 * @typedef {"idle"|"connecting"|"listening"|"finding"|"following"|"unclear"|"lost"|"done"|"disconnected"|"stopped"} State
 * @typedef {import("./messages.js").Feedback} Feedback
 * @typedef {import("./follow.js").Follow} Follow
 * @typedef {import("./follow.js").Change} Change
 *
 * @typedef {object} Arrival one feedback message, placed in time
 * @property {number} latency_ms from capture of the newest sound judged to its feedback
 * @property {boolean} measured false when only estimated
 * @property {number} zero_ms epoch time of the session's sample 0
 * @property {number} at_ms epoch time of arrival
 * @property {number} known_from sample at which the passage became known: verdicts on what was said before it are late
 *
 * @typedef {object} Listener
 * @property {(state: State, tries: number) => void} onstate `tries` so far to get the connection back, 0 where they are not counted
 * @property {(way: import("./connection.js").Way) => void} onway a connection stands
 * @property {(change: Change, message: Feedback, arrival: Arrival) => void} onfeedback
 * @property {(touched: Iterable<number>) => void} onrepaint words changed other than by feedback
 * @property {(places: import("./messages.js").Candidate[]) => void} oncandidates
 * @property {(found: import("./messages.js").Found) => Promise<Follow|null>} onfound null when the text cannot be had
 * @property {(why: string) => void} onrefused the settings of the reading
 * @property {(error: Error, again_s: number|null) => void} onerror `again_s` until the next try, null for none
 * @property {(message: import("./messages.js").FromTeacher) => void} onteacher
 * @property {(seconds: number) => void} onfinish
 */
import { beginSession, takeFeedback, takeRestored, takeSummary } from "./follow.js";
import { AUTO } from "./messages.js";
import { SaidByServer } from "./problems.js";
import { KEPT_MS, forget, keep } from "./resume.js";
import { WhipError } from "./whip.js";

export const MOST_TRIES = 3;

/** Before the second and third try; the first is made at once. */
const BETWEEN_TRIES_MS = [0, 500, 1500];

/** The way back to a session that the server keeps: quick at first, as most networks are gone for a moment only. */
const WAYS_BACK_MS = [0, 100, 200, 400, 800];

const SUMMARY_DEADLINE_MS = 2500;

/** Time left after the last word for a reciter who wants to repeat it. */
const DONE_LINGER_MS = 2500;

/** After a sample has been played: the sound still under way and its last verdicts. */
const SAMPLE_LINGER_MS = 2500;

/** @type {Readonly<Record<import("./messages.js").Following, State>>} */
const STATE_OF = { waiting: "listening", following: "following", unclear: "unclear", lost: "lost", done: "done" };

/** Messages kept while the text of the passage found is fetched: twenty seconds.  The oldest go first. */
const UNPLACED_MESSAGES = 256;

export class Recital {
  /**
   * @param {import("./voice_source.js").VoiceSource} source @param {string} verses @param {Follow} follow
   * @param {import("./transports.js").Transports} transports @param {Listener} listener
   * @param {string} [resume] token of a session to take up, as after the page was loaded again
   */
  constructor(source, verses, follow, transports, listener, resume = "") {
    /** Of the session there is, with which another connection takes it up; empty while there is none. */
    this.resume = resume;
    /** A connection that is to take the place of `connection`, once it stands.
     * @type {ReturnType<import("./transports.js").Transports["connection"]>|null} */
    this.coming = null;
    /** When the way to the server was lost. */
    this.lostAt = 0;
    this.source = source;
    this.verses = verses;
    this.follow = follow;
    this.transports = transports;
    this.listener = listener;
    /** The passage is not known, or its text not there yet. */
    this.seeking = verses === AUTO;
    /** @type {[message: Feedback, arrival: Arrival][]} */
    this.unplaced = [];
    /** The ayah that the reciter said it is; each new session is told. */
    this.choice = "";
    this.knownFrom = 0;
    this.heardTo = 0;
    this.placed = Promise.resolve();
    /** @type {State} */
    this.state = "idle";
    /** @type {ReturnType<import("./transports.js").Transports["connection"]>|null} */
    this.connection = null;
    this.tries = 0;
    this.ending = false;
    this.ended = false;
    this.startedAt = performance.now();
    /** Settings of the reading, as the server reads them; empty for its own. */
    this.reading = "";
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.linger = undefined;
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.again = undefined;
    /** @type {(() => void)|null} */
    this.summarised = null;
    void source.ended.then(() => setTimeout(() => this.stop(), SAMPLE_LINGER_MS));
    source.stream.getAudioTracks()[0].addEventListener("ended", () => this.stop());
  }

  start() {
    addEventListener("online", this.back);
    void this.#connect();
  }

  /** The network is back, or another one: try at once. */
  back = () => {
    if (this.connection) this.connection.suspect();
    else if (this.again !== undefined && this.resume && !this.ending) {
      clearTimeout(this.again);
      void this.#connect();
    }
  };

  /** Asks for the summary, then ends; more calls do nothing. */
  async stop() {
    if (this.ending) return;
    this.ending = true;
    clearTimeout(this.linger);
    clearTimeout(this.again);
    if (this.connection?.isOpen) {
      const told = new Promise((/** @type {(value?: void) => void} */ resolve) => (this.summarised = resolve));
      this.connection.send({ type: "stop" });
      await Promise.race([told, new Promise((resolve) => setTimeout(resolve, SUMMARY_DEADLINE_MS))]);
    }
    this.#end(this.follow.state === "done" ? "done" : "stopped");
  }

  /** Ends here at once, as when the page is left; loaded again, it may go on. */
  abandon() {
    this.ending = true;
    this.ended = true;
    removeEventListener("online", this.back);
    clearTimeout(this.linger);
    clearTimeout(this.again);
    this.coming?.leave();
    if (this.resume) this.connection?.leave();
    else this.connection?.close();
    this.source.stop();
  }

  /** @param {object} message */
  send(message) {
    this.connection?.send(message);
  }

  async #connect() {
    const { transports, resume } = this;
    this.again = undefined;
    if (this.tries === 0 && !this.connection) this.#enter("connecting");
    const connection = transports.connection(this.source, this.verses, {
      onopen: () => this.#stands(connection, resume !== ""),
      onfeedback: (message, latency, measured, zero) => {
        if (this.connection === connection) this.#feedback(message, latency, measured, zero);
      },
      oncontrol: (message) => {
        if (this.connection === connection) this.#control(message);
      },
      onsuspect: () => {
        if (this.connection === connection) this.#comeBack();
      },
      onlost: () => this.#lost(connection),
    }, resume);
    this.coming = connection;
    try {
      await connection.open();
    } catch (error) {
      connection.close();
      if (this.coming !== connection) return;
      if (error instanceof WhipError) this.#refused(error, resume !== "");
      else void this.#lost(connection, error);
    }
  }

  /** Takes the session up over another connection, made before the old one is let go of. */
  #comeBack() {
    if (this.resume && !this.coming && !this.ending) void this.#connect();
  }

  /** @param {NonNullable<Recital["connection"]>} connection @param {boolean} resumes */
  #stands(connection, resumes) {
    if (this.coming !== connection) return;
    const before = this.connection;
    this.connection = connection;
    this.coming = null;
    this.lostAt = 0;
    // The server has taken the new one by now, and closes the old one itself.
    before?.leave();
    this.transports.stood();
    this.listener.onway(this.transports.way);
    this.#opened(resumes);
  }

  /** @param {WhipError} error @param {boolean} resuming */
  #refused(error, resuming) {
    this.coming = null;
    if (resuming && error.status === 404) this.#beginAnew();
    else if (!this.connection) this.#retry(error);
  }

  /** The server keeps the session no longer: another one takes its place, on the same passage. */
  #beginAnew() {
    this.resume = "";
    forget();
    const before = this.connection;
    this.connection = null;
    before?.leave();
    void this.#connect();
  }

  /**
   * A connection that never stood, though the server refused nothing, is a reason to try the other way.  One that was
   * given up before is no reason for anything: there is one way back at a time.
   * @param {NonNullable<Recital["connection"]>} connection @param {unknown} [error]
   */
  async #lost(connection, error) {
    if (this.coming === connection) {
      this.coming = null;
      if (this.connection) return;
    } else if (this.connection === connection) {
      this.connection = null;
      this.lostAt ||= performance.now();
      if (this.coming) {
        this.#enter("disconnected");
        return;
      }
    } else return;
    if (this.ending || this.resume || connection.stood || !this.transports.fall()) {
      this.#retry(error === undefined ? null : new Error(String(error)));
      return;
    }
    // A token for one session is given back when the session that it opened is over.
    await connection.gone;
    if (!this.ending) void this.#connect();
  }

  /** @param {Error|null} error null when a connection that stood was lost */
  #retry(error) {
    if (this.ending) return;
    const final = error instanceof WhipError && error.retryAfter === null;
    this.lostAt ||= performance.now();
    const spent = this.resume ? performance.now() - this.lostAt > KEPT_MS : this.tries >= MOST_TRIES;
    if (final || spent) {
      this.ending = true;
      this.#end("disconnected");
      this.listener.onerror(error ?? new WhipError(0, "", null), null);
      return;
    }
    const asked = error instanceof WhipError && error.status >= 400 ? (error.retryAfter ?? 0) : 0;
    const waits = this.resume ? WAYS_BACK_MS : BETWEEN_TRIES_MS;
    const wait = Math.max(waits[Math.min(this.tries, waits.length - 1)], asked * 1000);
    this.tries++;
    this.#enter("disconnected");
    if (asked && error) this.listener.onerror(error, asked);
    this.again = setTimeout(() => void this.#connect(), wait);
  }

  /** The reciter says where they are.  @param {string} at surah:ayah */
  choose(at) {
    this.choice = at;
    this.send({ type: "choose", verses: at });
  }

  /** Other settings of the reading, from the next word on.  @param {string} reading as the server reads them */
  readBy(reading) {
    this.reading = reading;
    this.send({ type: "reading", moshaf: reading });
  }

  /** @param {boolean} resumes a session that was there */
  #opened(resumes) {
    this.source.begin();
    if (resumes) {
      this.#enter(this.seeking ? "finding" : "listening");
      return;
    }
    const left = beginSession(this.follow);
    if (left >= 0) this.listener.onrepaint([left]);
    this.knownFrom = this.heardTo = 0;
    if (this.verses === AUTO && this.choice) this.choose(this.choice);
    this.#enter(this.seeking ? "finding" : "listening");
  }

  /** @param {Feedback} message @param {number} latency_ms @param {boolean} measured @param {number} zero_ms */
  #feedback(message, latency_ms, measured, zero_ms) {
    this.tries = 0;
    const at_ms = performance.timeOrigin + performance.now();
    const arrival = { latency_ms, measured, zero_ms, at_ms, known_from: this.knownFrom };
    const change = takeFeedback(this.follow, message);
    this.heardTo = Math.max(this.heardTo, message.sample);
    this.listener.onfeedback(change, message, arrival);
    if (this.seeking) {
      this.unplaced.push([message, arrival]);
      if (this.unplaced.length > UNPLACED_MESSAGES) this.unplaced.shift();
      return;
    }
    if (!change.newest || this.ending) return;
    if (change.judged.length) this.#keep();
    this.#enter(STATE_OF[message.state]);
    if (message.state !== "done") {
      clearTimeout(this.linger);
      this.linger = undefined;
    } else if (this.linger === undefined) {
      this.linger = setTimeout(() => this.stop(), DONE_LINGER_MS);
    }
  }

  /** @param {import("./messages.js").Control} message */
  #control(message) {
    if (message.type === "welcome") {
      this.resume = message.resume ?? "";
      if (this.reading) this.readBy(this.reading);
      this.#keep();
    } else if (message.type === "restored") {
      if (!this.seeking) this.listener.onrepaint(takeRestored(this.follow, message));
    } else if (message.type === "move") {
      // The balancer or the front before the servers knows where to: the page's own address stays the same.
      this.#comeBack();
    } else if (message.type === "error" && message.code === "not_kept") {
      this.#beginAnew();
    } else if (message.type === "candidates") {
      if (this.verses === AUTO) this.listener.oncandidates(message.places);
    } else if (message.type === "found") {
      this.#found(message);
    } else if (message.type === "summary") {
      void this.placed.then(() => {
        this.listener.onrepaint(takeSummary(this.follow, message));
        this.summarised?.();
      });
    } else if (message.type === "remark" || message.type === "overruled" || message.type === "listened") {
      this.listener.onteacher(message);
    } else if (message.type === "error" && message.code === "bad_reading") {
      this.listener.onrefused(message.text);
    } else if (message.type === "error" && message.code !== "not_seeking") {
      this.listener.onerror(new SaidByServer(message), null);
    }
  }

  /** @param {import("./messages.js").Found} found */
  #found(found) {
    this.verses = found.verses;
    this.knownFrom = this.heardTo;
    this.placed = this.listener.onfound(found).then((follow) => {
      if (follow === null || this.ended) return;
      this.follow = follow;
      this.seeking = false;
      this.#keep();
      for (const [message, arrival] of this.unplaced.splice(0)) {
        arrival.known_from = this.knownFrom;
        this.listener.onfeedback(takeFeedback(follow, message), message, arrival);
      }
    });
  }

  /** For the page, should it be loaded again.  A sample is played anew instead. */
  #keep() {
    if (this.resume && !this.seeking && this.source.kind === "mic") keep(this.resume, this.verses);
  }

  /** @param {State} state */
  #end(state) {
    if (this.ended) return;
    this.ended = true;
    forget();
    removeEventListener("online", this.back);
    this.coming?.close();
    this.connection?.close();
    this.connection = null;
    this.source.stop();
    const under = beginSession(this.follow);
    if (under >= 0) this.listener.onrepaint([under]);
    this.#enter(state);
    this.listener.onfinish((performance.now() - this.startedAt) / 1000);
  }

  /** @param {State} state */
  #enter(state) {
    if (state === this.state && state !== "disconnected") return;
    this.state = state;
    this.listener.onstate(state, this.resume ? 0 : this.tries);
  }
}
