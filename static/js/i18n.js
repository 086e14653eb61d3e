/**
 * The page's words in Arabic and English.  Elements with `data-t` get their text here, those with `data-t-label` their
 * accessible name, those with `data-t-title` their tooltip and those with `data-t-hint` their placeholder.
 *
 * @typedef {"ar"|"en"} Lang
 */

/** @type {Readonly<Record<string, readonly [ar: string, en: string]>>} */
export const WORDS = {
  brand: ["تلقّي", "Talaqqi"],
  language: ["English", "العربية"],
  language_label: ["Switch to English", "التحويل إلى العربية"],
  choose: ["اختيار الموضع", "Choose a passage"],
  search: ["اسم السورة أو رقمها أو ٢:٢٥٥", "Name, number, or 2:255"],
  none_found: ["لا سورة بهذا الاسم", "No surah by that name"],
  from: ["من الآية", "From ayah"],
  to: ["إلى الآية", "To ayah"],
  whole: ["السورة كاملة", "Whole surah"],
  open: ["افتح", "Open"],
  close: ["إغلاق", "Close"],
  ayah: ["آية", "Ayah"],
  ayat_count: ["عدد آياتها {n}", "{n} ayat"],
  start: ["ابدأ القراءة", "Start reciting"],
  stop: ["أنهِ القراءة", "Stop reciting"],
  sample: ["جرّب نموذجًا", "Try a sample"],
  samples: ["نماذج مصنوعة", "Made recitations"],
  samples_note: [
    "أصوات مركّبة آليًا، لترى كيف تعمل الصفحة قبل أن تقرأ.",
    "Spoken by a machine, so you can see the page at work before you recite.",
  ],
  no_samples: ["لا نماذج على هذا الخادم", "This server has no samples"],

  find: ["حدّد موضعي", "Find where I am"],
  finding: ["أبحث عن موضعك", "Looking for your place"],
  finding_hint: ["اقرأ من حيث شئت", "Recite from anywhere"],
  finding_note: [
    "تُفتح الصفحة على موضعك حين يتبيّن. وإن رأيته هنا فاختره.",
    "The page opens at your place once it is certain. If you see it here, choose it.",
  ],
  say_maybe: ["لعلّه سورة {surah}، الآية {ayah}", "Perhaps {surah}, ayah {ayah}"],
  say_found: ["وجدتُ موضعك: سورة {surah}، الآية {ayah}", "Found your place: {surah}, ayah {ayah}"],

  hifz: ["تسميع", "From memory"],
  hifz_title: ["تُخفى الكلمات حتى تُقرأ", "Words are hidden until they are recited"],
  hint: ["تلميح", "Hint"],
  hint_title: ["أول الكلمة التالية، ثم كلها", "The start of the next word, then all of it"],
  hints: ["تلميحات", "Hints"],
  helped: ["كلمات ظهرت بتلميح", "Words that took a hint"],
  say_hint: ["تلميح: {text}", "Hint: {text}"],

  reading: ["أوجه القراءة", "Your reading"],
  reading_title: ["مقادير المدود التي تقرأ بها", "How long you read the madds"],
  reading_intro: [
    "للمدود الجائزة أوجه. اختر ما تقرأ به، فيُحكم على تلاوتك به من الكلمة التالية.",
    "Some madds may be read in several lengths. Choose yours: you are judged by them from the next word on.",
  ],
  reading_munfasil: ["المد المنفصل", "Separated madd (munfaṣil)"],
  reading_munfasil_note: [
    "الهمزة في أول الكلمة التالية، ومثله الصلة الكبرى",
    "Hamzah at the start of the next word; the greater ṣilah too",
  ],
  reading_muttasil: ["المد المتصل", "Connected madd (muttaṣil)"],
  reading_muttasil_note: [
    "الهمزة في الكلمة نفسها؛ لا يقصر عن المنفصل",
    "Hamzah in the same word; never shorter than the separated",
  ],
  reading_arid: ["العارض للسكون", "Madd before a stop (ʿāriḍ)"],
  reading_arid_note: ["مد قبل حرف سُكّن للوقف", "A long vowel before a letter stopped at"],
  reading_leen: ["مد اللين", "Madd līn"],
  reading_leen_note: [
    "واو أو ياء ساكنة بعد فتح قبل الوقف؛ لا يزيد على العارض",
    "Soft wāw or yāʾ before a stop; never longer than ʿāriḍ",
  ],
  reading_usual: ["الأوجه المعتادة", "The usual lengths"],
  reading_refused: [
    "لم يأخذ الخادم بهذا الاختيار، فبقي الحكم على ما كان قبله. ({text})",
    "The server did not take this choice; you are judged as before. ({text})",
  ],
  any_length: ["أيّ وجه", "any"],

  look: ["المظهر والميكروفون", "Look and microphone"],
  look_title: ["حجم النص، والليل والنهار، والميكروفون", "Size of the text, light and dark, microphone"],
  look_size: ["حجم النص", "Size of the text"],
  look_smaller: ["أصغر", "Smaller"],
  look_larger: ["أكبر", "Larger"],
  look_theme: ["الألوان", "Colours"],
  theme_auto: ["كالجهاز", "as the device"],
  theme_light: ["نهار", "light"],
  theme_dark: ["ليل", "dark"],
  look_pictures: ["صور الصوت", "Pictures of your voice"],
  look_pictures_note: [
    "الموجة والنغمة بعدّ الحركات والطيف والسرعة، أثناء القراءة",
    "Wave, pitch over counts, spectrum and tempo while you recite",
  ],
  microphone: ["الميكروفون", "Microphone"],
  microphone_usual: ["ميكروفون الجهاز", "The device's own choice"],
  microphone_note: [
    "تظهر الأسماء بعد السماح بالميكروفون أول مرة.",
    "Names are shown once a microphone was allowed.",
  ],
  microphone_choose: ["اختر ميكروفونًا", "Choose a microphone"],
  picker_recite: ["لا تذكر موضعه؟ اقرأ لأجده", "Not sure where it is? Recite, and it is found"],

  trouble_gone: ["انقطع الميكروفون: نُزع أو أخذه برنامج آخر.", "The microphone went away: unplugged, or taken by another program."],
  trouble_offline: ["لا اتصال بالشبكة. أتابع حين يعود.", "You are offline. It goes on when the network is back."],
  trouble_call: ["أوقفت مكالمةٌ أو برنامجٌ الصوتَ. أتابع بعدها.", "A call or another program has paused the sound. It goes on afterwards."],
  trouble_muted: ["الميكروفون مكتوم في الجهاز.", "The microphone is muted on the device."],
  trouble_dead: [
    "لا يصل من الميكروفون أي صوت. لعله مكتوم أو ليس هو المقصود.",
    "Nothing at all comes from the microphone. It may be muted, or the wrong one.",
  ],
  trouble_quiet: ["صوتك خافت. اقترب من الميكروفون أو ارفع مستواه.", "Your voice is faint. Come closer to the microphone, or turn it up."],
  trouble_clipping: ["الصوت أعلى من طاقة الميكروفون. ابتعد قليلًا أو اخفض مستواه.", "The sound is too loud for the microphone. Move back a little, or turn it down."],
  trouble_noisy: ["الضجيج حولك قريب من صوتك. اقترب من الميكروفون.", "The noise around you is nearly as loud as your voice. Come closer to the microphone."],

  progress: ["تقدّمي", "Progress"],
  progress_title: ["ما قرأتَه، وما يحتاج عنايتك", "What you recited, and what needs your care"],
  progress_days: ["آخر {n} يومًا", "The last {n} days"],
  progress_totals: ["أيام القراءة: {days}، الدقائق: {minutes}، الكلمات: {words}", "Days: {days}, minutes: {minutes}, words: {words}"],
  progress_day: [
    "{day}: {n} د، كلمات {words}، صحّ منها {accepted}٪",
    "{day}: {n} min, {words} words, {accepted} % accepted",
  ],
  progress_due: ["حان تكرارها", "Due again"],
  progress_due_note: [
    "تتباعد المراجعة كلما أحسنتَ الآية، وتعود في الغد إن لم تُحسنها.",
    "The better an ayah goes, the later it comes back; one that did not go well is due the next day.",
  ],
  progress_rules: ["أحكام تحتاج عناية", "Rules that need care"],
  progress_letters: ["حروف تحتاج عناية", "Letters that need care"],
  progress_slips: ["{slips} من {times}", "{slips} of {times}"],
  progress_rule_line: ["{rule}: {n} في هذه المدة", "{rule}: {n} in this time"],
  progress_none: ["لا قراءة محفوظة في هذه المدة", "Nothing recited in this time"],
  progress_failed: ["تعذّر الوصول إلى ما حُفظ. حاول بعد قليل.", "What is kept cannot be had now. Try again in a while."],
  past: ["جلساتك", "Your sessions"],
  past_told: [
    "{minutes} د، صحّ {accepted} من {words} كلمة، زلات: {slips}",
    "{minutes} min, {accepted} of {words} words accepted, slips: {slips}",
  ],
  past_more: ["أقدم منها", "Earlier ones"],
  progress_kept: ["تُحفظ الأحكام وأوقاتها، ولا يُحفظ صوتك أبدًا.", "Verdicts and their times are kept, your voice never."],
  progress_delete: ["احذف كل ما حُفظ", "Delete all"],
  progress_delete_sure: ["لا رجعة فيه: احذف", "For ever: delete"],

  idle: ["جاهز", "Ready"],
  idle_hint: ["اضغط زرّ الميكروفون وابدأ القراءة", "Press the microphone and begin reciting"],
  connecting: ["جارٍ الاتصال", "Connecting"],
  connecting_hint: ["لحظة واحدة", "One moment"],
  listening: ["أستمع", "Listening"],
  listening_hint: ["ابدأ من أول كلمة", "Begin with the first word"],
  following: ["أتابع قراءتك", "Following you"],
  following_hint: ["سورة {surah}، الآية {ayah}", "{surah}, ayah {ayah}"],
  unclear: ["الصوت غير واضح", "Hard to hear"],
  unclear_hint: ["اقترب من الميكروفون قليلًا", "Come a little closer to the microphone"],
  lost: ["فقدتُ موضعك", "I lost your place"],
  lost_hint: ["أعد من أول الآية", "Go back to the start of the ayah"],
  done: ["تمّت القراءة", "Passage complete"],
  done_hint: ["بارك الله فيك", "Well recited"],
  stopped: ["توقّفت", "Stopped"],
  stopped_hint: ["اضغط لتقرأ مرة أخرى", "Press to recite again"],
  disconnected: ["لا اتصال", "Not connected"],
  coming_back_hint: ["موضعك محفوظ", "Your place is kept"],
  disconnected_hint: ["أعيد المحاولة {n} من {of}", "Trying again, {n} of {of}"],
  gave_up_hint: ["اضغط لتحاول مرة أخرى", "Press to try again"],
  gesture_hint: ["المس الصفحة ليبدأ الصوت", "Touch the page to let the sound begin"],

  latency: ["بعد تمام الكلمة", "After a word ends"],
  lit: ["الإضاءة", "lit"],
  judged: ["الحكم", "judged"],
  at_once: ["فورًا", "at once"],
  latency_measured: [
    "من آخر صوت في الكلمة إلى إضاءتها، وإلى الحكم عليها؛ أوسط الكلمات الأخيرة، مقيس",
    "From the last sound of a word to its light, and to its verdict; the middle of the latest words, measured",
  ],
  latency_estimated: [
    "من آخر صوت في الكلمة إلى إضاءتها، وإلى الحكم عليها؛ أوسط الكلمات الأخيرة، تقديري",
    "From the last sound of a word to its light, and to its verdict; the middle of the latest words, estimated",
  ],
  over_webrtc: ["عبر WebRTC", "over WebRTC"],
  over_webrtc_title: [
    "يصل صوتك إلى الخادم من أقصر طريق: ما ضاع منه لا يؤخّر ما بعده",
    "Your voice takes the shortest way to the server: what is lost of it delays nothing after it",
  ],
  over_websocket: ["عبر WebSocket", "over WebSocket"],
  over_websocket_title: [
    "يسلك صوتك طريق الصفحة نفسها، كما حين تمنع الشبكة الطريق الأقصر: ما تأخّر منه أخّر ما بعده",
    "Your voice goes as the page came, as where a network bars the shortest way: what is late of it delays what follows",
  ],
  ms: ["م.ث", "ms"],
  seconds: ["{n} ث", "{n} s"],
  minutes: ["{n} د", "{n} min"],

  accepted: ["صحيحة", "Accepted"],
  questioned: ["تحتاج مراجعة", "Questioned"],
  wrong: ["خطأ", "Wrong"],
  wrong_omitted: ["لم تُقرأ", "Skipped"],
  unclear_word: ["لم تتّضح", "Unclear"],
  pending: ["لم تُقرأ بعد", "Not yet recited"],
  current: ["موضعك الآن", "You are here"],
  tentative: ["قيد السماع", "Being weighed"],
  mended: ["صُحّحت عند الإعادة", "Put right on repeating"],

  tajweed: ["حكم تجويد", "rule of tajweed"],
  rule: ["الحكم", "Rule"],
  rules: ["أحكام التجويد", "Rules of tajweed"],
  rule_kept: ["سليم", "Kept"],
  rule_advice: ["أعد الاستماع", "Listen again"],
  rule_error: ["مخالفة", "Broken"],
  rule_unclear: ["لم يُحكم عليه", "Not judged"],
  legend_advice: ["حكم تجويد يحتاج إعادة استماع", "A rule to listen to again"],
  legend_error: ["حكم تجويد خولف", "A rule broken"],
  slip_short: ["أقصر مما يجب", "too short"],
  slip_long: ["أطول مما يجب", "too long"],
  slip_uneven: ["غير مستوٍ مع نظائره", "unlike your others"],
  slip_missing: ["لم يُسمع", "not heard"],
  slip_vowelled: ["صار حركة", "a vowel"],
  slip_replaced: ["صوت آخر", "another sound"],
  slip_light: ["مرقّق", "light"],
  slip_heavy: ["مفخّم", "heavy"],
  slip_no_pause: ["وصل بلا سكت", "joined on"],
  slip_breath: ["وقف بنَفَس", "a breath"],
  slip_broken: ["وقف في وسط الكلمة", "a stop within the word"],
  count_one: ["حركة واحدة", "1 count"],
  count_two: ["حركتان", "2 counts"],
  count_few: ["{n} حركات", "{n} counts"],
  count_other: ["{n} حركة", "{n} counts"],
  counts_between: ["{least} إلى {most} حركات", "{least} to {most} counts"],
  length_of: ["المسموع {reached}، والمطلوب {due}", "{reached} of {due}"],
  tempo: ["مقدار الحركة", "One count"],
  tempo_title: [
    "زمن الحركة الواحدة في قراءتك، مقيس من مقاطعك القصيرة",
    "How long one count lasts in your recitation, measured from your short syllables",
  ],
  tempo_value: ["{s} ث", "{s} s"],
  calibrating: ["قيد المعايرة", "calibrating"],
  hear_rule: ["اسمع قراءتك للموضع", "Hear how you recited it"],
  say_rule: ["{word}: {rule}، {how}", "{word}: {rule}, {how}"],
  print: ["اطبع", "Print"],
  save: ["احفظ", "Save"],
  save_title: ["جدول بكل ما قيل عن قراءتك", "A table of all that was told of your recitation"],
  by_verse: ["الآيات", "By verse"],
  rules_broken: ["أحكام خولفت", "Rules broken"],

  summary: ["حصيلة القراءة", "Your recitation"],
  summary_time: ["في {time}", "in {time}"],
  all_right: ["قُبلت كل كلمة سُمعت. بارك الله فيك.", "Every word heard was accepted. Well recited."],
  nothing_heard: ["لم يُسمع شيء من هذا الموضع.", "Nothing of this passage was heard."],
  look_again: ["كلمات للمراجعة", "Words to look at again"],
  expected: ["المطلوب", "Expected"],
  heard: ["المسموع", "Heard"],
  not_clear: ["لم يتّضح", "not clear"],
  word_doubt: ["الكلمة كلها لم توافق المكتوب", "The word as a whole did not match the text"],
  word_omitted: ["لم تُسمع هذه الكلمة", "This word was not heard"],
  word_unclear: ["لم يكن الصوت واضحًا للحكم عليها", "The sound was not clear enough to judge it"],
  word_accepted: ["قراءتها صحيحة", "Recited as written"],
  hear: ["اسمع نفسك", "Hear yourself"],
  replay_picture: ["صورة قراءتك: الموجة والنغمة والطيف", "Your recitation as a picture: wave, pitch, spectrum"],
  hear_later: ["تسمع نفسك بعد إنهاء القراءة", "You can hear yourself once you stop"],
  show: ["الموضع", "Show"],
  again: ["اقرأ مرة أخرى", "Recite again"],
  dismiss: ["أغلق", "Dismiss"],
  retry: ["حاول مرة أخرى", "Try again"],
  privacy: ["يُسمَع صوتك على الخادم ولا يُحفظ؛ وإعادة سماعه من ذاكرة هذه الصفحة وحدها.", "The server listens and stores nothing; replay comes from this page's memory alone."],

  say_word: ["{word}: {status}", "{word}: {status}"],
  say_doubt: ["المطلوب {expected}، والمسموع {heard}", "expected {expected}, heard {heard}"],

  overruled: ["بحكم المعلّم", "by the teacher"],
  word_overruled: ["هذا حكم معلّمك", "This is your teacher's verdict"],
  notes: ["ملاحظات معلّمك", "Your teacher's notes"],
  note_repeat: ["أعد من هنا", "Repeat from here"],
  note_overruled: ["حكم معلّمك على الكلمة: {status}", "Your teacher's verdict: {status}"],
  listen_asked: ["يودّ معلّمك أن يستمع إليك", "Your teacher would like to listen"],
  listen_note: [
    "يسمع صوتك وأنت تقرأ، ولا يُحفظ، ولك أن ترجع عن إذنك متى شئت.",
    "They hear you as you recite. Nothing is kept, and you can take it back at any time.",
  ],
  listen_may: ["لمعلّمك أن يستمع", "Your teacher may listen"],
  listen_may_not: ["ليس لمعلّمك أن يستمع", "Your teacher may not listen"],
  listened_by: ["يستمع إليك الآن: {names}", "Listening now: {names}"],
  listen_allow: ["اسمح", "Allow"],
  listen_refuse: ["لا", "No"],
  listen_stop: ["أوقف الاستماع", "Stop"],
  teacher_unnamed: ["معلّمك", "your teacher"],

  error_not_found: [
    "لم يتبيّن موضعك. اقرأ قدرًا أكثر، أو اختر الموضع بنفسك.",
    "Your place did not become clear. Recite a little more, or choose the passage yourself.",
  ],
  error_text: ["تعذّر جلب نص الموضع.", "The text of this passage could not be fetched."],
  error_surahs: ["الخادم لا يجيب.", "The server does not answer."],
  error_mic_denied: [
    "الميكروفون محجوب. اسمح به من إعدادات المتصفح ثم حاول مرة أخرى.",
    "The microphone is blocked. Allow it in the browser's settings, then try again.",
  ],
  error_mic_missing: ["لم أجد ميكروفونًا.", "No microphone was found."],
  error_mic_busy: ["الميكروفون مشغول في برنامج آخر.", "The microphone is in use by another program."],
  error_mic_insecure: [
    "لا يُسمح بالميكروفون إلا في صفحة آمنة (https).",
    "Browsers only allow a microphone on a secure page (https).",
  ],
  error_sample: ["تعذّر تشغيل هذا النموذج.", "This sample could not be played."],
  error_full: ["الخادم ممتلئ الآن. أحاول بعد {n} ث.", "The server is full. Trying again in {n} s."],
  error_auth: ["هذا الرابط لا يأذن بالدخول.", "This link does not grant access."],
  error_passage: ["الخادم لا يعرف هذا الموضع.", "The server does not know this passage."],
  error_refused: ["رفض الخادم الطلب: {text}", "The server refused: {text}"],
  error_server: ["حدث خلل في الخادم. أحاول بعد {n} ث.", "The server had a fault. Trying again in {n} s."],
  error_overloaded: [
    "الخادم لا يلحق بك الآن. أعود إلى موضعك حالما يستطيع.",
    "The server cannot keep up just now. It goes on from your place as soon as it can.",
  ],
  error_unreachable: ["تعذّر الوصول إلى الخادم.", "The server cannot be reached."],
};

const STORED = "talaqqi.lang";

/** @type {Lang} */
let current = "ar";

/** Numbers and dates are written as the text about them. */
const LOCALES = { ar: "ar-u-nu-arab", en: "en" };

/** @type {Record<Lang, Intl.NumberFormat>} */
const NUMBERS = {
  ar: new Intl.NumberFormat(LOCALES.ar, { useGrouping: false }),
  en: new Intl.NumberFormat(LOCALES.en, { useGrouping: false }),
};

/** @param {string|null} asked from the address @returns {Lang} */
export function preferredLanguage(asked) {
  const stored = asked ?? readStored() ?? navigator.language;
  return stored.startsWith("ar") ? "ar" : "en";
}

/** @returns {string|null} */
function readStored() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}

/** @param {Lang} lang @param {boolean} [remember] */
export function setLanguage(lang, remember = false) {
  current = lang;
  const root = document.documentElement;
  root.lang = lang;
  root.dir = lang === "ar" ? "rtl" : "ltr";
  document.title = lang === "ar" ? "تلقّي" : "Talaqqi";
  translate(document);
  if (!remember) return;
  try {
    localStorage.setItem(STORED, lang);
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}

/** @returns {Lang} */
export function language() {
  return current;
}

/** @param {string} key @param {Record<string, string|number>} [values] @returns {string} */
export function t(key, values) {
  const entry = WORDS[key];
  if (!entry) throw new Error(`no text named ${key}`);
  const text = entry[current === "ar" ? 0 : 1];
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : String(value);
  });
}

/** @param {number} value @param {Lang} [lang] @returns {string} */
export function number(value, lang = current) {
  return NUMBERS[lang].format(value);
}

/** @param {Date} date @param {Intl.DateTimeFormatOptions} as @returns {string} */
export function dated(date, as) {
  return date.toLocaleString(LOCALES[current], as);
}

/** @param {number} at seconds of Unix time @returns {string} day and time */
export function moment(at) {
  return dated(new Date(at * 1000), { dateStyle: "medium", timeStyle: "short" });
}

/** @param {number} seconds @returns {string} minutes and seconds, in words: digits about a colon read badly in Arabic */
export function duration(seconds) {
  const whole = Math.round(seconds);
  const text = t("seconds", { n: whole % 60 });
  return whole < 60 ? text : `${t("minutes", { n: Math.floor(whole / 60) })} ${text}`;
}

/** @param {ParentNode} root */
export function translate(root) {
  for (const node of root.querySelectorAll("[data-t]")) node.textContent = t(node.getAttribute("data-t") ?? "");
  for (const node of root.querySelectorAll("[data-t-label]")) {
    const text = t(node.getAttribute("data-t-label") ?? "");
    node.setAttribute("aria-label", text);
    if (node instanceof HTMLElement && node.tagName === "BUTTON") node.title = text;
  }
  for (const node of root.querySelectorAll("[data-t-title]")) {
    node.setAttribute("title", t(node.getAttribute("data-t-title") ?? ""));
  }
  for (const node of root.querySelectorAll("[data-t-hint]")) {
    node.setAttribute("placeholder", t(node.getAttribute("data-t-hint") ?? ""));
  }
}
