/**
 * Where the reciter is and how each word went, from feedback messages alone: no DOM, no clock.
 *
 * Messages may be lost, doubled or late.  Each carries the verdicts of the last two seconds under per-session ids, so
 * a verdict is taken the first time its id is seen; cursor and state are taken only from messages newer than any
 * before.  An accepted word stays accepted: a later attempt can mend a verdict, never spoil one.
 *
 * @typedef {import("./messages.js").Feedback} Feedback
 * @typedef {import("./messages.js").Summary} Summary
 * @typedef {import("./messages.js").TextWord} TextWord
 * @typedef {import("./messages.js").Verdict} Verdict
 * @typedef {import("./messages.js").Following} Following
 * @typedef {import("./rules.js").RuleHeard} RuleHeard
 *
 * @typedef {"pending"|"current"|"tentative"|"accepted"|"questioned"|"wrong"|"unclear"} Status
 * @typedef {"low"|"slip"} LetterMark
 * @typedef {[from: number, to: number]} Letters characters of the word's text, half-open
 * @typedef {{unit: string, start: number, end: number, p: number, heard: string|null, letters: Letters|null}} PhoneHeard
 *   `letters` as the server tells them for the form recited; null from a server that does not
 *
 * @typedef {object} WordState
 * @property {string} at
 * @property {string} text
 * @property {string[]} units expected, in order
 * @property {(PhoneHeard|undefined)[]} phones by index in the word
 * @property {Verdict|null} verdict accepted, questioned, wrong, unclear or omitted; null while none
 * @property {number} score
 * @property {number} start sample of the attempt judged
 * @property {number} end
 * @property {boolean} passed the cursor has been on it or just over it
 * @property {boolean} mended wrong or questioned first, accepted on repeating
 * @property {boolean} overruled the verdict is a teacher's, and stands whatever is recited after it
 * @property {RuleHeard[]} rules the newest verdict on each rule that was told, in the order of the letters
 *
 * @typedef {object} Follow
 * @property {WordState[]} words
 * @property {number} total words that were undertaken: fewer than there are where the server found the passage
 * @property {Map<string, number>} places index of each address
 * @property {number} here index of the word under the cursor, -1 before the first
 * @property {number} phone newest phone begun in that word, -1 before the first
 * @property {number} seq newest message taken
 * @property {Following} state
 * @property {Set<number>} lit words whose last phone the cursor has been on or over in this session
 * @property {Set<number>} phoneIds
 * @property {Set<number>} wordIds
 * @property {Set<number>} ruleIds
 * @property {number|null} harakah_ms the reciter's tempo, null until it is known
 * @property {boolean} summed the summary has told of every rule, also of those that were kept
 *
 * @typedef {object} Change
 * @property {Set<number>} touched indices of words that may look different now
 * @property {number[]} lit indices of words whose last phone the cursor reached with this message
 * @property {number[]} judged indices of words that got a verdict from this message
 * @property {import("./messages.js").PhoneRow[]} phones rows seen for the first time
 * @property {RuleHeard[]} rules verdicts that were taken
 * @property {boolean} newest false for a message older than one already taken
 * @property {boolean} moved the cursor changed its word or phone
 */
import { isBroken, ruleOf, takeRule, toldByRule } from "./rules.js";

/** Words skipped between two cursor places are shown as passed up to this many; farther is a jump. */
const STEP_WORDS = 3;

/** Below this probability a phone without a named competitor is marked as weak. */
export const LOW_P = 0.5;

/** Ids older than the newest by this many can no longer be in a two-second tail. */
const REMEMBERED_IDS = 1024;

/** @param {readonly TextWord[]} words @returns {Follow} */
export function beginFollow(words) {
  return {
    words: words.map((word) => ({
      at: word.at,
      text: word.text,
      units: word.phones.map((phone) => phone.unit),
      phones: [],
      verdict: null,
      score: 0,
      start: 0,
      end: 0,
      passed: false,
      mended: false,
      overruled: false,
      rules: [],
    })),
    total: words.length,
    places: new Map(words.map((word, index) => [word.at, index])),
    here: -1,
    phone: -1,
    seq: -1,
    state: "waiting",
    lit: new Set(),
    phoneIds: new Set(),
    wordIds: new Set(),
    ruleIds: new Set(),
    harakah_ms: null,
    summed: false,
  };
}

/**
 * A new session begins on the same passage: its ids and sequence numbers start again, verdicts stay.
 * @param {Follow} follow
 * @returns {number} the word that was under the cursor, -1 if none
 */
export function beginSession(follow) {
  const left = follow.here;
  follow.here = -1;
  follow.phone = -1;
  follow.seq = -1;
  follow.state = "waiting";
  follow.lit.clear();
  follow.phoneIds.clear();
  follow.wordIds.clear();
  follow.ruleIds.clear();
  for (const word of follow.words) for (const rule of word.rules) rule.id = -1;
  return left;
}

/** @param {Follow} follow @param {Feedback} message @returns {Change} */
export function takeFeedback(follow, message) {
  /** @type {Change} */
  const change = {
    touched: new Set(),
    lit: [],
    judged: [],
    phones: [],
    rules: [],
    newest: message.seq > follow.seq,
    moved: false,
  };
  for (const row of message.phones) takePhone(follow, row, change);
  for (const row of message.words) takeWord(follow, row, change);
  for (const row of message.rules ?? []) takeRuleRow(follow, row, change);
  if (change.newest) {
    follow.seq = message.seq;
    follow.state = message.state;
    follow.harakah_ms = message.harakah_ms ?? null;
    if (message.cursor) moveCursor(follow, message.cursor, change);
  }
  return change;
}

/**
 * What a session that was taken up has said so far.  Verdicts that are here already stay as they are.
 * @param {Follow} follow @param {import("./messages.js").Restored} restored
 * @returns {Set<number>} indices of words that may look different now
 */
export function takeRestored(follow, restored) {
  /** @type {Set<number>} */
  const touched = new Set();
  for (const [, at, index, unit, start, end, p, heard, first, stop] of restored.phones) {
    const place = follow.places.get(at);
    if (place === undefined || follow.words[place].verdict === "accepted") continue;
    follow.words[place].phones[index] = { unit, start, end, p, heard, letters: lettersOf(first, stop) };
    touched.add(place);
  }
  for (const [, at, start, end, score, status] of restored.words) {
    const place = follow.places.get(at);
    if (place === undefined) continue;
    const { verdict, mended } = follow.words[place];
    if (verdict === status || !judge(follow.words[place], status, score, start, end)) continue;
    follow.words[place].mended ||= mended;
    touched.add(place);
  }
  for (const row of restored.rules) {
    const place = follow.places.get(row[1]);
    if (place !== undefined && takeRule(follow.words[place].rules, ruleOf(row))) touched.add(place);
  }
  takeOverruled(follow, restored.overruled, touched);
  return touched;
}

/** @param {Follow} follow @param {import("./messages.js").PhoneRow} row @param {Change} change */
function takePhone(follow, row, change) {
  const [id, at, index, unit, start, end, p, heard, first, stop] = row;
  const place = follow.places.get(at);
  if (place === undefined || !firstSight(follow.phoneIds, id)) return;
  change.phones.push(row);
  const word = follow.words[place];
  if (word.verdict === "accepted") return;
  word.phones[index] = { unit, start, end, p, heard, letters: lettersOf(first, stop) };
  change.touched.add(place);
}

/** @param {number} [first] @param {number} [stop] @returns {Letters|null} */
function lettersOf(first, stop) {
  return first === undefined || stop === undefined ? null : [first, stop];
}

/** @param {Follow} follow @param {import("./messages.js").WordRow} row @param {Change} change */
function takeWord(follow, row, change) {
  const [id, at, start, end, score, status] = row;
  const place = follow.places.get(at);
  if (place === undefined || !firstSight(follow.wordIds, id)) return;
  if (!judge(follow.words[place], status, score, start, end)) return;
  change.touched.add(place);
  change.judged.push(place);
}

/** @param {Follow} follow @param {import("./messages.js").RuleRow} row @param {Change} change */
function takeRuleRow(follow, row, change) {
  const place = follow.places.get(row[1]);
  if (place === undefined || !firstSight(follow.ruleIds, row[0])) return;
  const told = ruleOf(row);
  if (!takeRule(follow.words[place].rules, told)) return;
  change.touched.add(place);
  change.rules.push(told);
}

/**
 * @param {WordState} word @param {Verdict} status @param {number} score @param {number} start @param {number} end
 * @returns {boolean} whether the word takes the verdict
 */
function judge(word, status, score, start, end) {
  if (status === "repeated" || status === "not_reached" || word.overruled || word.verdict === "accepted") return false;
  const definite = word.verdict !== null && word.verdict !== "unclear" && word.verdict !== "omitted";
  if (definite && (status === "unclear" || status === "omitted")) return false;
  word.mended = definite && status === "accepted";
  word.verdict = status;
  word.score = score;
  word.start = start;
  word.end = end;
  word.passed = true;
  return true;
}

/**
 * A teacher's verdict in place of any other.
 * @param {Follow} follow @param {string} at @param {Verdict} status
 * @returns {number} index of the word, -1 where the passage has none such
 */
export function overrule(follow, at, status) {
  const place = follow.places.get(at) ?? -1;
  if (place >= 0) Object.assign(follow.words[place], { verdict: status, overruled: true, mended: false });
  return place;
}

/**
 * Takes the verdicts of a teacher, as a session, its summary or a class tells them.
 * @param {Follow} follow @param {readonly import("./messages.js").OverruledRow[]} rows
 * @param {Set<number>} touched grows by the words that may look different now
 */
export function takeOverruled(follow, rows, touched) {
  for (const [at, status] of rows) {
    const place = overrule(follow, at, status);
    if (place >= 0) touched.add(place);
  }
}

/** @param {Follow} follow @param {import("./messages.js").CursorRow} cursor @param {Change} change */
function moveCursor(follow, cursor, change) {
  const place = follow.places.get(cursor[0]);
  if (place === undefined) return;
  change.moved = place !== follow.here || cursor[1] !== follow.phone;
  if (!change.moved) return;
  const step = place - follow.here;
  if (follow.here >= 0) change.touched.add(follow.here);
  // At the beginning the cursor stands before the first word: a short one may be over before it is shown.
  if (step > 0 && step <= STEP_WORDS) {
    for (let index = Math.max(0, follow.here); index < place; index++) {
      follow.words[index].passed = true;
      change.touched.add(index);
      light(follow, index, change);
    }
  }
  if (cursor[1] >= follow.words[place].units.length - 1) light(follow, place, change);
  follow.here = place;
  follow.phone = cursor[1];
  follow.words[place].passed = true;
  change.touched.add(place);
}

/** @param {Follow} follow @param {number} index @param {Change} change */
function light(follow, index, change) {
  if (follow.lit.has(index)) return;
  follow.lit.add(index);
  change.lit.push(index);
}

/** @param {Set<number>} seen @param {number} id */
function firstSight(seen, id) {
  if (seen.has(id)) return false;
  seen.add(id);
  if (seen.size > 2 * REMEMBERED_IDS) {
    for (const old of seen) if (old < id - REMEMBERED_IDS) seen.delete(old);
  }
  return true;
}

/**
 * The server's own account at the end of the session; it fills in what the lossy channel did not bring.
 * @param {Follow} follow @param {Summary} summary
 * @returns {Set<number>} indices of words that may look different now
 */
export function takeSummary(follow, summary) {
  /** @type {Set<number>} */
  const touched = new Set();
  follow.total = summary.words.length || follow.words.length;
  for (const told of summary.words) {
    const place = follow.places.get(told.at);
    if (place === undefined) continue;
    const word = follow.words[place];
    if (word.verdict === null && judge(word, told.status, told.score, told.start, told.end)) touched.add(place);
    if (word.verdict === "accepted" || told.status !== word.verdict) continue;
    word.phones = told.phones.map(({ first, stop, ...phone }) => ({ ...phone, letters: lettersOf(first, stop) }));
    touched.add(place);
  }
  takeOverruled(follow, summary.overruled ?? [], touched);
  follow.summed = summary.rules !== undefined;
  follow.harakah_ms = summary.harakah_ms ?? follow.harakah_ms;
  for (const row of summary.rules ?? []) {
    const place = follow.places.get(row[1]);
    // Rows of a summary are numbered by themselves, and are the last word on their session.
    if (place !== undefined && takeRule(follow.words[place].rules, { ...ruleOf(row), id: Infinity })) touched.add(place);
  }
  return touched;
}

/** How a word with a verdict looks: one that was left out as a wrong one.  @param {Verdict} verdict @returns {Status} */
export function lookOf(verdict) {
  return verdict === "omitted" ? "wrong" : /** @type {Status} */ (verdict);
}

/** @param {Follow} follow @param {number} index @returns {Status} */
export function statusOf(follow, index) {
  const word = follow.words[index];
  if (word.verdict !== null) return lookOf(word.verdict);
  if (index === follow.here) return "current";
  return word.passed ? "tentative" : "pending";
}

/**
 * How a letter's phone is to be marked.  Letters of accepted words carry no marks: the word has been taken as right.
 * A slip that breaks a rule is marked by the rule alone.
 * @param {WordState} word @param {number} index @returns {LetterMark|null}
 */
export function markOf(word, index) {
  const phone = word.phones[index];
  if (!phone || word.verdict === "accepted" || word.verdict === "unclear") return null;
  if (toldByRule(word.rules, phone)) return null;
  if (phone.heard !== null) return "slip";
  return phone.p < LOW_P ? "low" : null;
}

/** @typedef {{accepted: number, questioned: number, wrong: number, unclear: number, mended: number, total: number}} Tally */

/** @param {Follow} follow @returns {Tally} */
export function tally(follow) {
  const counts = { accepted: 0, questioned: 0, wrong: 0, unclear: 0, mended: 0, total: follow.total };
  for (const word of follow.words) {
    if (word.verdict === "accepted") counts.accepted++;
    else if (word.verdict === "questioned") counts.questioned++;
    else if (word.verdict === "wrong" || word.verdict === "omitted") counts.wrong++;
    else if (word.verdict === "unclear") counts.unclear++;
    if (word.mended) counts.mended++;
  }
  return counts;
}

/** @param {Follow} follow @returns {WordState[]} words to look at again, in the order of the text */
export function slips(follow) {
  return follow.words.filter(
    (word) => word.verdict === "questioned" || word.verdict === "wrong" || word.verdict === "omitted"
      || word.rules.some(isBroken),
  );
}

/**
 * The phones that explain a verdict, most doubtful first; at most `limit`.
 * @param {WordState} word @param {number} [limit] @returns {(PhoneHeard & {index: number})[]}
 */
export function doubts(word, limit = 3) {
  const found = [];
  for (let index = 0; index < word.phones.length; index++) {
    const phone = word.phones[index];
    if (phone && markOf(word, index) !== null) found.push({ ...phone, index });
  }
  return found.sort((a, b) => a.p - b.p).slice(0, limit);
}
