/** Progress as it is shown to a student and to the student's teacher: plain SVG and lists. */
import { dated, language, number, t } from "./i18n.js";
import { DAYS, minutes } from "./kept.js";
import { nameOf } from "./letters.js";
import { part } from "./parts.js";
import { ruleName } from "./rule_words.js";

/** @typedef {import("./kept.js").Progress} Progress */
/** @typedef {import("./kept.js").Day} Day */
/** @typedef {import("./kept.js").Weak} Weak */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 360;
const HEIGHT = 96;
const FOOT = 14;
const LINE_HEIGHT = 28;
const DAY_MS = 86_400_000;

/** Share of the words accepted from which on a day is drawn as one that went well. */
const WELL = 0.9;

/**
 * @param {string} name @param {Record<string, string|number>} attributes @param {Node[]} children
 * @returns {SVGElement}
 */
function svg(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

/** @param {string} text @returns {SVGElement} shown when pointed at */
function title(text) {
  const node = svg("title", {});
  node.textContent = text;
  return node;
}

/** @param {string} day YYYY-MM-DD @returns {string} */
export function dayName(day) {
  const date = new Date(`${day}T00:00:00Z`);
  return dated(date, { day: "numeric", month: "short", timeZone: "UTC" });
}

/**
 * A day for each of the last ones, those without recitation too.
 * @param {readonly Day[]} days @param {number} now ms @returns {{day: string, told: Day|undefined}[]} oldest first
 */
export function everyDay(days, now) {
  const told = new Map(days.map((day) => [day.day, day]));
  const today = now - new Date(now).getTimezoneOffset() * 60_000;
  return Array.from({ length: DAYS }, (_, index) => {
    const day = new Date(today - (DAYS - 1 - index) * DAY_MS).toISOString().slice(0, 10);
    return { day, told: told.get(day) };
  });
}

/** Minutes recited on each day.  @param {readonly Day[]} days @param {number} now ms @returns {SVGElement} */
export function minutesChart(days, now) {
  const all = everyDay(days, now);
  const most = Math.max(60, ...all.map(({ told }) => told?.voice_s ?? 0));
  const step = WIDTH / all.length;
  const bars = all.flatMap(({ day, told }, index) => {
    if (!told) return [];
    const height = Math.max(2, (told.voice_s / most) * (HEIGHT - 2 * FOOT));
    const well = (told.accepted ?? 1) >= WELL;
    const box = { x: index * step + 1, y: HEIGHT - FOOT - height, width: step - 2, height, rx: 2 };
    return [svg("rect", { class: "chart-bar", "data-well": String(well), ...box }, title(dayTold(day, told)))];
  });
  const base = svg("line", { class: "chart-base", x1: 0, x2: WIDTH, y1: HEIGHT - FOOT, y2: HEIGHT - FOOT });
  const first = svg("text", { class: "chart-text", x: 0, y: HEIGHT - 3 });
  first.textContent = dayName(all[0].day);
  const last = svg("text", { class: "chart-text", x: WIDTH, y: HEIGHT - 3, "text-anchor": "end" });
  last.textContent = dayName(all[all.length - 1].day);
  const top = svg("text", { class: "chart-text", x: 0, y: 9 });
  top.textContent = t("minutes", { n: Math.round(most / 60) });
  const frame = { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": totals(days) };
  return svg("svg", frame, base, ...bars, first, last, top);
}

/** @param {string} day @param {Day} told */
function dayTold(day, told) {
  const accepted = told.accepted === null ? "–" : number(Math.round(100 * told.accepted));
  return t("progress_day", { day: dayName(day), n: minutes(told.voice_s), words: told.words, accepted });
}

/** @param {readonly Day[]} days @returns {string} */
function totals(days) {
  const sum = (/** @type {(day: Day) => number} */ of) => days.reduce((total, day) => total + of(day), 0);
  return t("progress_totals", {
    days: days.length,
    minutes: Math.round(sum((day) => day.voice_s) / 60),
    words: sum((day) => day.words),
  });
}

/** Slips of a rule over the days.  @param {readonly Day[]} days @param {string} rule @param {number} now ms */
export function ruleLine(days, rule, now) {
  const slips = everyDay(days, now).map(({ told }) => told?.rule_slips[rule] ?? 0);
  const most = Math.max(1, ...slips);
  const points = slips.map((count, index) => {
    const x = (index / (slips.length - 1)) * WIDTH;
    return `${x.toFixed(1)},${(LINE_HEIGHT - 2 - (count / most) * (LINE_HEIGHT - 4)).toFixed(1)}`;
  });
  const label = t("progress_rule_line", { rule: ruleName(rule), n: slips.reduce((sum, count) => sum + count, 0) });
  return svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${WIDTH} ${LINE_HEIGHT}`, role: "img", "aria-label": label },
    title(label),
    svg("polyline", { class: "chart-line", points: points.join(" ") }),
  );
}

/** @param {readonly Weak[]} weak @param {(of: string) => string} name @returns {HTMLElement} */
function weakList(weak, name) {
  const list = part("weak", undefined, "ul");
  for (const { of, times, slips } of weak) {
    const item = part("", undefined, "li");
    const share = document.createElement("meter");
    share.className = "weak-share";
    share.value = times ? slips / times : 0;
    const count = t("progress_slips", { slips, times });
    share.setAttribute("aria-label", count);
    item.append(part("weak-name", name(of), "span"), share, part("weak-count", count, "span"));
    list.append(item);
  }
  return list;
}

/** @param {string} heading @param {Node[]} content @returns {HTMLElement} */
export function section(heading, ...content) {
  const node = part("progress-part", undefined, "section");
  node.append(part("progress-title", heading, "h3"), ...content);
  return node;
}

/**
 * @param {Progress} progress @param {number} now ms
 * @param {{ayahName: (at: string) => string, open?: (at: string) => void, lines?: boolean}} as `open`: what a click on an
 *   ayah that is due does; `lines`: draw the trend of each rule
 * @returns {HTMLElement[]}
 */
export function progressParts(progress, now, { ayahName, open, lines = false }) {
  if (progress.days.length === 0) return [part("progress-note", t("progress_none"), "p")];
  const parts = [
    section(t("progress_days", { n: DAYS }), part("progress-totals", totals(progress.days), "p"),
      minutesChart(progress.days, now)),
  ];
  if (progress.due.length) {
    const list = part("due", undefined, "ul");
    for (const { at } of progress.due) {
      const item = part("", undefined, "li");
      const ayah = part(open ? "quiet" : "", ayahName(at), open ? "button" : "span");
      if (open) ayah.addEventListener("click", () => open(at));
      item.append(ayah);
      list.append(item);
    }
    parts.push(section(t("progress_due"), part("progress-note", t("progress_due_note"), "p"), list));
  }
  if (progress.rules.length) parts.push(section(t("progress_rules"), weakList(progress.rules, ruleName)));
  if (progress.letters.length) {
    parts.push(section(t("progress_letters"), weakList(progress.letters, (unit) => nameOf(unit, language()))));
  }
  if (lines) {
    for (const rule of new Set(progress.days.flatMap((day) => Object.keys(day.rule_slips)))) {
      parts.push(section(ruleName(rule), ruleLine(progress.days, rule, now)));
    }
  }
  return parts;
}
