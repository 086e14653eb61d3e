/**
 * What rules of tajweed are called and what a slip of one means, asked of the server once each.
 *
 * @typedef {import("./slip.js").InWords} InWords
 * @typedef {import("./rules.js").RuleHeard} RuleHeard
 * @typedef {{what: InWords, fix: InWords}} Told
 */
import { language, t } from "./i18n.js";
import { isSilence } from "./letters.js";

/** @type {Map<string, InWords>} in the order in which rules are taught */
const names = new Map();

/** @type {Map<string, Promise<Told|null>>} */
const asked = new Map();

/** @returns {Promise<void>} when rules can be named @throws when the server cannot be asked */
export async function fetchRuleNames() {
  if (names.size) return;
  const response = await fetch("/api/rules");
  if (!response.ok) throw new Error(`${response.status}`);
  for (const [rule, name] of Object.entries(await response.json())) names.set(rule, name);
}

/** @param {string} rule @returns {string} in the page's language; "tajweed" while names are not known */
export function ruleName(rule) {
  return names.get(rule)?.[language()] ?? t("tajweed");
}

/** @param {Iterable<string>} rules @returns {string[]} in the order in which rules are taught */
export function inOrder(rules) {
  const order = [...names.keys()];
  return [...rules].sort((a, b) => order.indexOf(a) - order.indexOf(b));
}

/**
 * @param {RuleHeard} rule broken
 * @returns {Promise<Told|null>} null when the server cannot be asked or has no answer; asked again the next time
 */
export function ruleTold(rule) {
  const query = String(questionOf(rule));
  let answer = asked.get(query);
  if (answer === undefined) {
    answer = ask(query).catch(() => {
      asked.delete(query);
      return null;
    });
    asked.set(query, answer);
  }
  return answer;
}

/** @param {RuleHeard} rule */
function questionOf({ rule, slip, expected, measured, heard }) {
  const question = new URLSearchParams({ rule, slip: slip ?? "" });
  if (heard !== null && !isSilence(heard)) question.set("heard", heard);
  if (expected) {
    question.set("low", String(expected[0]));
    question.set("high", String(expected[1]));
  }
  // Lengths are told to half a count, so that one answer serves many.
  if (measured !== null) question.set("measured", String(Math.round(measured * 2) / 2));
  return question;
}

/** @param {string} query @returns {Promise<Told>} */
async function ask(query) {
  const response = await fetch(`/api/rule?${query}`);
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}
