/**
 * Wire protocol v1 and the API, as types.  Times in feedback are samples of a 16 kHz clock that starts with the
 * session; `rtp` is the 48 kHz RTP timestamp of `sample`; scores are probabilities from 0 to 1.
 *
 * @typedef {"accepted"|"questioned"|"wrong"|"unclear"|"omitted"|"repeated"|"not_reached"} Verdict
 * @typedef {"waiting"|"following"|"unclear"|"lost"|"done"} Following
 * @typedef {[id: number, at: string, index: number, unit: string, start: number, end: number, p: number,
 *   heard: string|null, first?: number, stop?: number]} PhoneRow characters `first` to `stop` of the text, half-open
 * @typedef {[id: number, at: string, start: number, end: number, score: number, status: Verdict]} WordRow
 * @typedef {"fine"|"advice"|"error"|"unclear"} Severity
 * @typedef {[least: number, most: number]} Counts harakat
 * @typedef {[id: number, at: string, rule: string, first: number, stop: number, start: number, end: number,
 *   severity: Severity, slip: string|null, confidence: number, expected: Counts|null, measured: number|null,
 *   heard: string|null, uncertainty?: number|null]} RuleRow `measured` in harakat, give or take `uncertainty`; `heard`
 *   is a unit, empty for nothing
 * @typedef {[at: string, phone: number, end: number]} CursorRow
 *
 * @typedef {object} Feedback
 * @property {"feedback"} type
 * @property {number} seq
 * @property {number} rtp
 * @property {number} sample
 * @property {CursorRow|null} cursor
 * @property {boolean} speech
 * @property {number} level dB
 * @property {Following} state
 * @property {PhoneRow[]} phones
 * @property {WordRow[]} words
 * @property {RuleRow[]} [rules]
 * @property {number|null} [harakah_ms] the reciter's own tempo, null until it is known
 * @property {[rx_ms: number, encoded_ms: number, sent_ms: number]} stamps
 *
 * @typedef {{type: "welcome", session: string, verses: string, engine: string, lookahead_ms: number,
 *   watched?: boolean, resume?: string, resumed?: boolean}} Welcome
 * @typedef {{at: string, p: number, text: string}} Candidate `at` is surah:ayah
 * @typedef {{type: "candidates", places: Candidate[]}} Candidates
 * @typedef {{type: "found", verses: string, at: string, p: number}} Found
 * @typedef {object} Restored every verdict of a session that was taken up; rows have no ids of their own
 * @property {"restored"} type
 * @property {string} verses
 * @property {PhoneRow[]} phones of words that were not accepted
 * @property {WordRow[]} words
 * @property {RuleRow[]} rules
 * @property {OverruledRow[]} overruled
 * @property {boolean} more another one follows
 * @typedef {{type: "pong", t: number, seq: number}} Pong
 * @typedef {{type: "move", url: string}} Move the server is being emptied: come back over a new connection now
 * @typedef {{type: "error", code: string, text: string}} ProtocolError
 * @typedef {{unit: string, start: number, end: number, p: number, heard: string|null, first?: number,
 *   stop?: number}} SummaryPhone
 * @typedef {{at: string, text: string, start: number, end: number, score: number, status: Verdict,
 *   phones: SummaryPhone[]}} SummaryWord
 * @typedef {{type: "summary", verses: string, words: SummaryWord[], accepted: number, questioned: number,
 *   seconds: number, rules?: RuleRow[], harakah_ms?: number|null, overruled?: OverruledRow[]}} Summary
 * @typedef {[at: string, status: Verdict, was: Verdict]} OverruledRow
 * @typedef {{type: "remark", text: string, at: string|null}} Remark with `at`: repeat from this word
 * @typedef {{type: "overruled", at: string, status: Verdict, was: Verdict}} Overruled
 * @typedef {{type: "listened", may: boolean|null, by: string[], asked: boolean}} Listened `may`: what the student said
 * @typedef {Remark|Overruled|Listened} FromTeacher
 * @typedef {Welcome|Candidates|Found|Pong|Restored|Move|ProtocolError|Summary|FromTeacher} Control
 *
 * @typedef {{surah: number, name: string, latin: string, ayat: number}} Surah
 * @typedef {{unit: string, letters: [start: number, end: number]}} TextPhone `letters` is half-open
 * @typedef {{at: string, text: string, phones: TextPhone[]}} TextWord
 * @typedef {{ref: string, words: TextWord[]}} Passage
 * @typedef {{verses: string, url: string, title?: string}} Sample
 */

export const PROTOCOL = 1;

/** In place of a passage: the server finds it. */
export const AUTO = "auto";

export const SAMPLE_HZ = 16000;
export const RTP_HZ = 48000;
