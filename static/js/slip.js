/**
 * What a slip means and how to mend it, asked of the server once for each pair of letters.
 *
 * @typedef {{ar: string, en: string}} InWords
 * @typedef {{rule: string, traits: string[], what: InWords, fix: InWords}} Slip
 */

/** @type {Map<string, Promise<Slip|null>>} */
const asked = new Map();

/**
 * @param {string} expected @param {string} heard empty when nothing was heard
 * @returns {Promise<Slip|null>} null when the server cannot be asked; asked again the next time
 */
export function slipOf(expected, heard) {
  const key = `${expected}|${heard}`;
  let answer = asked.get(key);
  if (answer === undefined) {
    answer = ask(expected, heard).catch(() => {
      asked.delete(key);
      return null;
    });
    asked.set(key, answer);
  }
  return answer;
}

/** @param {string} expected @param {string} heard @returns {Promise<Slip>} */
async function ask(expected, heard) {
  const response = await fetch(`/api/slip?${new URLSearchParams({ expected, heard })}`);
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}
