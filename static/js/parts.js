/** The one way in which cards and panels are put together. */

/** @param {string} name class @param {string} [text] @param {string} [tag] @returns {HTMLElement} */
export function part(name, text, tag = "div") {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}
