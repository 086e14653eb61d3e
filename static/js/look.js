/**
 * How the page looks: the size of the text, light or dark, pictures of the voice.  The browser remembers it.
 *
 * @typedef {"auto"|"light"|"dark"} Theme
 * @typedef {{size: number, theme: Theme, pictures: boolean}} Look
 */

const STORED = "talaqqi.look";

/** Times the usual size of the text. */
export const SIZES = [0.7, 0.85, 1, 1.2, 1.45, 1.75];

/** @type {readonly Theme[]} */
export const THEMES = ["auto", "light", "dark"];

/** On a screen that is lower the pictures would leave no room for the text. */
const ROOM_PX = 600;

/** @param {unknown} kept what the browser remembers @param {boolean} room for pictures @returns {Look} */
export function readLook(kept, room) {
  const { size, theme, pictures } = /** @type {Partial<Look>} */ (kept ?? {});
  return {
    size: size !== undefined && SIZES.includes(size) ? size : 1,
    theme: theme !== undefined && THEMES.includes(theme) ? theme : "auto",
    pictures: typeof pictures === "boolean" ? pictures : room,
  };
}

/** @returns {Look} */
export function keptLook() {
  const room = innerHeight >= ROOM_PX;
  try {
    return readLook(JSON.parse(localStorage.getItem(STORED) ?? "null"), room);
  } catch {
    return readLook(null, room);
  }
}

/** @param {Look} look */
export function keepLook(look) {
  try {
    localStorage.setItem(STORED, JSON.stringify(look));
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}

/** @param {number} size @param {1|-1} step @returns {number} the next size, the same at the end */
export function nextSize(size, step) {
  return SIZES[Math.max(0, Math.min(SIZES.length - 1, SIZES.indexOf(size) + step))];
}

/** @param {Look} look */
export function applyLook({ size, theme, pictures }) {
  const root = document.documentElement;
  root.style.setProperty("--size", String(size));
  root.dataset.theme = theme;
  root.dataset.pictures = String(pictures);
  for (const meta of document.querySelectorAll("meta[name=theme-color]")) {
    const own = meta.getAttribute("data-media") ?? meta.getAttribute("media") ?? "";
    meta.setAttribute("data-media", own);
    // The browser's own bars follow the choice: the colour of the other theme is for no screen.
    meta.setAttribute("media", theme === "auto" ? own : own.includes(theme) ? "all" : "not all");
  }
}
