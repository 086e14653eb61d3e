/** The teacher page: joins the class's feed, its tiles, the session opened, and what the teacher says. */
import { Announcer } from "../announce.js";
import { language, number, preferredLanguage, setLanguage, t } from "../i18n.js";
import { MushafView } from "../mushaf_view.js";
import { fetchSurahs, splitAddress } from "../passage.js";
import { find } from "../picker.js";
import { addWords } from "./words.js";
import { Ayat } from "./ayat.js";
import { ClassFeed, fetchMe } from "./class_feed.js";
import { ClassHistory } from "./history.js";
import { Listening } from "./listening.js";
import { OpenedSession } from "./opened.js";
import { OPEN_CLASS } from "./protocol.js";
import { fetchRuleNames } from "../rule_words.js";
import { TilesView, countOf, linkOf, nameOfTile } from "./tiles.js";
import { takeToken } from "./token.js";
import { WordChoice } from "./word_choice.js";
import { statusText, teacherCard } from "./word_card.js";

/** @typedef {import("../messages.js").Surah} Surah */
/** @typedef {import("./class_feed.js").LinkState} LinkState */

const DELAY_SHOWN_EVERY_MS = 500;

/** Between a word and its card, and between the card and the window's edge. */
const GAP = 8;

const query = new URLSearchParams(location.search);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const node = (/** @type {string} */ id) => find(document, `#${id}`, HTMLElement);
addWords();

// the parts of the page
const view = new MushafView(node("mushaf"), still, () => "open");
const ayat = new Ayat(() => tiles.touchAll());
const tiles = new TilesView(node("tiles"), ayat, surahName, open);
const announcer = new Announcer(node("live"));
const remarkText = find(document, "#remark-text", HTMLInputElement);
const classes = find(document, "#class-name", HTMLSelectElement);
const choice = new WordChoice(
  node("mushaf"),
  () => view.spans,
  () => opened?.follow.here ?? -1,
  sayWord,
  openCard,
);

const token = takeToken();
const listening = new Listening(token, showListening);
const level = node("listen-level");

// what is going on
/** @type {readonly Surah[]} */
let surahs = [];
/** @type {ClassFeed|null} */
let feed = null;
/** @type {OpenedSession|null} */
let opened = null;
/** @type {LinkState|"class"} */
let link = "connecting";
/** What the last remark or verdict was, until the server answers.  @type {(reached: boolean) => string} */
let telling = () => "";
let delayShownAt = 0;

/** @param {number} surah @returns {string} */
function surahName(surah) {
  const known = surahs[surah - 1];
  return known ? known[language() === "ar" ? "name" : "latin"] : number(surah);
}

// ---- the class

/** @param {string} className */
function watch(className) {
  feed?.stop();
  leave();
  for (const session of [...tiles.shown.keys()]) tiles.remove(session);
  feed = new ClassFeed(className, token, { onstate: showLink, onmessage: take });
  feed.start();
}

/** @param {import("./protocol.js").FromServer} message */
function take(message) {
  switch (message.type) {
    case "snapshot": {
      const live = new Set(message.sessions.map(({ session }) => session));
      for (const session of [...tiles.shown.keys()]) if (!live.has(session)) remove(session);
      for (const tile of message.sessions) {
        tiles.put(tile);
        listening.heard(tile.session, tile.may_listen);
      }
      if (opened) feed?.send({ type: "open", session: opened.session });
      break;
    }
    case "tiles":
      for (const tile of message.sessions) {
        if (tiles.put(tile)) announcer.say("state", t("began", { name: nameOfTile(tile) }));
        listening.heard(tile.session, tile.may_listen);
      }
      for (const session of message.gone) {
        const tile = tiles.get(session);
        if (tile) announcer.say("state", t("left", { name: nameOfTile(tile) }));
        remove(session);
      }
      break;
    case "opened":
      if (message.session === opened?.session) void turn(opened, message.verses);
      break;
    case "rows":
      if (message.session === opened?.session) opened.take(message, feed?.away_ms ?? 0);
      break;
    case "told":
      node("told").textContent = telling(message.reached);
      break;
    case "error":
      node("told").textContent = t("refused", { text: message.text });
      break;
    default:
  }
  showClass();
}

/** @param {string} session */
function remove(session) {
  tiles.remove(session);
  if (session === opened?.session) leave();
}

function showClass() {
  node("count").textContent = link === "live" ? countOf(tiles.size) : "";
  node("empty").hidden = tiles.size > 0 || link !== "live";
  const tile = opened && tiles.get(opened.session);
  if (!tile) return;
  node("opened-name").textContent = nameOfTile(tile);
  node("opened-state").textContent = `${tiles.place(tile)} · ${t(`state_${tile.state}`)} · ${linkOf(tile).text}`;
  node("seeking").hidden = !opened?.seeking;
}

/** @param {LinkState|"class"} state */
function showLink(state) {
  link = state;
  const notice = node("notice");
  notice.hidden = state === "live";
  notice.dataset.link = state;
  notice.textContent = state === "live" ? "" : t(state === "class" ? "class_needed" : `link_${state}`);
  document.documentElement.dataset.state = state;
  showClass();
}

// ---- one session

/** @param {string} session */
function open(session) {
  if (opened?.session === session) return;
  leave();
  opened = new OpenedSession(session, view, () => surahs, sayWord);
  feed?.send({ type: "open", session });
  document.documentElement.dataset.live = "true";
  node("opened").hidden = node("desk").hidden = false;
  node("room").classList.add("has-open");
  node("told").textContent = "";
  node("delay").textContent = "–";
  tiles.mark(session);
  showClass();
  scrollTo({ top: 0 });
  node("opened-name").focus({ preventScroll: true });
}

/** Back to the class. */
function leave() {
  if (!opened) return;
  const session = opened.session;
  listening.stop();
  feed?.send({ type: "close", session });
  opened.leave();
  opened = null;
  choice.clear();
  node("card").hidePopover();
  delete document.documentElement.dataset.live;
  node("opened").hidden = node("desk").hidden = true;
  node("room").classList.remove("has-open");
  tiles.mark("");
  (tiles.shown.get(session)?.button ?? node("class")).focus();
}

/** @param {OpenedSession} mine @param {string} verses */
async function turn(mine, verses) {
  choice.clear();
  node("card").hidePopover();
  if (!(await mine.turnTo(verses))) node("told").textContent = t("error_text");
}

/** @param {number} index */
function sayWord(index) {
  if (!opened) return;
  const { text } = opened.follow.words[index];
  announcer.say("word", t("say_chosen", { word: text, status: statusText(opened, index) }));
}

/** @param {number} index */
function openCard(index) {
  if (!opened) return;
  const card = node("card");
  const span = view.spans[index];
  card.replaceChildren(teacherCard(opened, index, { repeat: askToRepeat, overrule }));
  card.showPopover();
  placeBeside(card, span);
  find(card, "button", HTMLElement).focus({ preventScroll: true });
}

/**
 * Below the word, above it, or where there is no room for either at its side.
 * @param {HTMLElement} card @param {HTMLElement} span
 */
function placeBeside(card, span) {
  const box = span.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = card;
  const desk = node("desk").getBoundingClientRect().top;
  const within = (/** @type {number} */ at, /** @type {number} */ most) => Math.max(GAP, Math.min(at, most - GAP));
  let left = box.left + box.width / 2 - width / 2;
  let top = box.bottom + GAP;
  if (top + height > desk) top = box.top - GAP - height;
  if (top < GAP) {
    top = desk - GAP - height;
    left = box.left - GAP - width >= GAP ? box.left - GAP - width : box.right + GAP;
  }
  card.style.left = `${within(left, innerWidth - width)}px`;
  card.style.top = `${within(top, innerHeight - height)}px`;
}

// ---- listening

/** @param {import("./listening.js").ListeningState} state @param {string} why */
function showListening(state, why) {
  const button = node("listen");
  button.textContent = t(listening.on ? "listening_stop" : "listen");
  button.setAttribute("aria-pressed", String(listening.on));
  node("listen-state").textContent = state === "off" ? "" : t(`listening_${state}`, { text: why });
  node("opened").dataset.listening = state;
}

node("listen").addEventListener("click", () => {
  if (listening.on) listening.stop();
  else if (opened) {
    listening.may = tiles.get(opened.session)?.may_listen ?? null;
    listening.begin(opened.session);
  }
});

// ---- what the teacher says

/** @param {string} at */
function askToRepeat(at) {
  const word = opened?.follow.words[opened.follow.places.get(at) ?? -1]?.text ?? "";
  const text = remarkText.value.trim();
  say({ type: "remark", at, text }, (reached) => t(reached ? "told_repeat" : "not_told", { word }));
  remarkText.value = "";
}

/** @param {string} at @param {import("./protocol.js").Ruling} status */
function overrule(at, status) {
  say({ type: "overrule", at, status }, (reached) => t(reached ? "told_overrule" : "not_told_overrule"));
}

/** @param {object} message @param {(reached: boolean) => string} told */
function say(message, told) {
  node("card").hidePopover();
  if (!opened) return;
  telling = told;
  const sent = feed?.send({ session: opened.session, ...message });
  if (!sent) node("told").textContent = t("link_broken");
}

node("remark").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = remarkText.value.trim();
  if (!text) return;
  say({ type: "remark", text }, (reached) => t(reached ? "told_remark" : "not_told"));
  remarkText.value = "";
});

// ---- the page

node("back").addEventListener("click", leave);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && opened && !node("card").matches(":popover-open")) leave();
});
/** @param {boolean} shown */
function showRecords(shown) {
  node("records").hidden = !shown;
  node("room").hidden = shown;
  node("records-open").setAttribute("aria-expanded", String(shown));
  if (shown && classes.value) void records.list(classes.value);
}

node("records-open").addEventListener("click", () => showRecords(node("records").hidden));
node("language").addEventListener("click", () => {
  showRecords(false);
  turnTo(language() === "ar" ? "en" : "ar", true);
  node("told").textContent = "";
  tiles.touchAll();
  view.retitle(surahs);
  showListening(listening.state, "");
  showClass();
});
classes.addEventListener("change", () => {
  watch(classes.value);
  showRecords(false);
  const address = new URL(location.href);
  address.searchParams.set("class", classes.value);
  history.replaceState(null, "", address);
});

/** @param {import("../i18n.js").Lang} lang @param {boolean} [remember] */
function turnTo(lang, remember) {
  setLanguage(lang, remember);
  document.title = t("brand_teacher");
  for (const option of classes.options) if (option.value === OPEN_CLASS) option.textContent = t("class_open");
  if (link !== "live") showLink(link);
}

/** @param {number} now */
function frame(now) {
  tiles.frame();
  opened?.frame();
  if (listening.state === "live") level.style.setProperty("--level", String(Math.min(1, 3 * listening.level)));
  if (opened && now - delayShownAt > DELAY_SHOWN_EVERY_MS) {
    delayShownAt = now;
    const seconds = opened.delay.median / 1000;
    if (!Number.isNaN(seconds)) node("delay").textContent = t("seconds", { n: Math.round(seconds * 10) / 10 });
  }
  requestAnimationFrame(frame);
}

/** @param {import("./protocol.js").Me} me */
function offerClasses(me) {
  const asked = query.get("class");
  const names = me.role === "operator" && asked ? [...new Set([asked, ...me.classes])] : me.classes;
  for (const name of names) classes.append(new Option(name === OPEN_CLASS ? t("class_open") : name, name));
  const chosen = asked !== null && names.includes(asked) ? asked : names[0];
  node("class-choice").hidden = names.length === 0;
  classes.disabled = names.length < 2;
  if (chosen === undefined) return showLink("class");
  classes.value = chosen;
  watch(chosen);
}

async function begin() {
  turnTo(preferredLanguage(query.get("lang")));
  requestAnimationFrame(frame);
  showLink("connecting");
  try {
    const [me, list] = await Promise.all([fetchMe(token), fetchSurahs(), fetchRuleNames()]);
    surahs = list;
    if (me === null) showLink(token ? "expired" : "needed");
    else if (me.role !== "teacher" && me.role !== "operator") showLink("refused");
    else offerClasses(me);
  } catch {
    showLink("broken");
    setTimeout(() => void begin(), 3000);
  }
}

const records = new ClassHistory(node("records"), token, (at) => {
  const [surah, ayah] = splitAddress(at);
  return t("place", { surah: surahName(surah), ayah });
});
void begin();
