/**
 * Settings of the reading: how long the madds are that may be read in several lengths.  What contradicts itself the
 * server refuses (docs/tajweed-rules.md), so choosing one setting brings along those that must go with it.
 *
 * @typedef {"munfasil"|"muttasil"|"arid"|"leen"} Setting
 * @typedef {Record<Setting, string>} Reading a number of harakat each, or ANY
 */

export const ANY = "any";

/** @type {Readonly<Record<Setting, readonly string[]>>} */
export const CHOICES = {
  munfasil: ["2", "3", "4", "5"],
  muttasil: ["4", "5", "6"],
  arid: ["2", "4", "6", ANY],
  leen: ["2", "4", "6", ANY],
};

/** @type {Readonly<Reading>} */
export const USUAL = { munfasil: "4", muttasil: "4", arid: ANY, leen: ANY };

/** @type {readonly (readonly [shorter: Setting, longer: Setting])[]} of each pair the first is never the longer */
const BONDS = [["munfasil", "muttasil"], ["leen", "arid"]];

const STORED = "talaqqi.reading";

/** @param {Readonly<Reading>} reading @param {Setting} setting @param {string} value @returns {Reading} */
export function choose(reading, setting, value) {
  const chosen = { ...reading, [setting]: value };
  for (const [shorter, longer] of BONDS) {
    if (!(Number(chosen[shorter]) > Number(chosen[longer]))) continue;
    if (setting === shorter) chosen[longer] = value;
    else chosen[shorter] = value;
  }
  return chosen;
}

/** @param {Readonly<Reading>} reading @returns {string} as the server reads it */
export function written(reading) {
  return Object.entries(reading).map(([setting, value]) => `${setting}=${value}`).join(",");
}

/** @param {string} text @returns {Reading} the usual one where the text says nothing that can be chosen */
export function readingOf(text) {
  let reading = { ...USUAL };
  for (const pair of text.split(",")) {
    const [setting, value] = pair.split("=");
    if (isSetting(setting) && CHOICES[setting].includes(value)) reading = choose(reading, setting, value);
  }
  return reading;
}

/** @param {string} name @returns {name is Setting} */
function isSetting(name) {
  return Object.hasOwn(CHOICES, name);
}

/** @returns {Reading} as it was kept */
export function keptReading() {
  try {
    return readingOf(localStorage.getItem(STORED) ?? "");
  } catch {
    return { ...USUAL };
  }
}

/** @param {Readonly<Reading>} reading */
export function keepReading(reading) {
  try {
    localStorage.setItem(STORED, written(reading));
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}
