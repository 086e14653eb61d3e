/**
 * What became of the rules of tajweed: the newest verdict on each place, from feedback alone.  No DOM, no clock.
 *
 * A rule recited again gets a new verdict, which replaces the one before; one that says nothing replaces none.
 *
 * @typedef {import("./messages.js").RuleRow} RuleRow
 * @typedef {import("./messages.js").Severity} Severity
 * @typedef {import("./messages.js").Counts} Counts
 *
 * @typedef {object} RuleHeard
 * @property {number} id counts the session's verdicts; -1 for one of an earlier session
 * @property {string} at the word whose letters the rule names
 * @property {string} rule
 * @property {[from: number, to: number]} letters characters of the word's text, half-open
 * @property {number} start sample at which its sound begins
 * @property {number} end
 * @property {Severity} severity
 * @property {string|null} slip how it was broken
 * @property {Counts|null} expected
 * @property {number|null} measured harakat
 * @property {string|null} heard unit heard in its place, empty for nothing
 * @property {number|null} uncertainty standard error of `measured`
 *
 * @typedef {{kept: number, advice: number, error: number, unclear: number}} RuleTally
 */

/** @param {RuleRow} row @returns {RuleHeard} */
export function ruleOf([id, at, rule, first, stop, start, end, severity, slip, , expected, measured, heard, uncertainty = null]) {
  return { id, at, rule, letters: [first, stop], start, end, severity, slip, expected, measured, heard, uncertainty };
}

/** @param {RuleHeard} rule @returns {boolean} whether it is shown as a slip */
export function isBroken({ severity, slip }) {
  return slip !== null && (severity === "advice" || severity === "error");
}

/**
 * Takes a verdict into those of its word, which stay in the order of the letters.
 * @param {RuleHeard[]} rules of the word, changed in place @param {RuleHeard} told
 * @returns {boolean} whether something changed
 */
export function takeRule(rules, told) {
  const place = rules.findIndex((rule) => samePlace(rule, told));
  if (place < 0) rules.push(told);
  else if (told.severity === "unclear" || told.id <= rules[place].id) return false;
  else rules[place] = told;
  rules.sort((a, b) => a.letters[0] - b.letters[0] || a.letters[1] - b.letters[1]);
  return true;
}

/** @param {RuleHeard} a @param {RuleHeard} b */
function samePlace(a, b) {
  return a.rule === b.rule && a.letters[0] === b.letters[0] && a.letters[1] === b.letters[1];
}

/** @param {readonly RuleHeard[]} rules @returns {RuleHeard[]} those shown as slips */
export function broken(rules) {
  return rules.filter(isBroken);
}

/** @param {readonly RuleHeard[]} rules @returns {"advice"|"error"|null} the gravest slip among them */
export function gravest(rules) {
  const found = broken(rules);
  if (!found.length) return null;
  return found.some(({ severity }) => severity === "error") ? "error" : "advice";
}

/**
 * Whether a rule broken tells of a letter's slip already: it is about the same letters and the same sound, as in
 * `recitation/slips.py`.
 * @param {readonly RuleHeard[]} rules of the word
 * @param {{start: number, end: number, letters: [from: number, to: number]|null}} phone
 */
export function toldByRule(rules, { start, end, letters }) {
  if (letters === null) return false;
  const [from, to] = letters;
  return rules.some((rule) => isBroken(rule) && from < rule.letters[1] && rule.letters[0] < to
    && start < rule.end && rule.start < end);
}

/** @param {readonly RuleHeard[]} rules @returns {Map<string, RuleTally>} by rule, in the order given */
export function ruleTallies(rules) {
  /** @type {Map<string, RuleTally>} */
  const tallies = new Map();
  for (const { rule, severity } of rules) {
    const counts = tallies.get(rule) ?? { kept: 0, advice: 0, error: 0, unclear: 0 };
    counts[severity === "fine" ? "kept" : severity]++;
    tallies.set(rule, counts);
  }
  return tallies;
}
