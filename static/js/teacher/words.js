/** The teacher page's own words, added to those of the student page. */
import { WORDS } from "../i18n.js";

/** @type {Readonly<Record<string, readonly [ar: string, en: string]>>} */
export const TEACHER_WORDS = {
  brand_teacher: ["تلقّي للمعلّم", "Talaqqi for teachers"],
  class_choice: ["الحلقة", "Class"],
  class_title: ["الطلاب الذين يقرؤون الآن", "Students reciting now"],
  class_open: ["هذا الجهاز", "This machine"],
  reciting_none: ["لا أحد يقرأ", "Nobody is reciting"],
  reciting_one: ["طالب يقرأ", "1 is reciting"],
  reciting_many: ["يقرأ الآن: {n}", "{n} are reciting"],
  empty_title: ["لا أحد يقرأ في هذه الحلقة الآن", "Nobody in this class is reciting now"],
  empty_note: ["يظهر الطلاب هنا من تلقاء أنفسهم حين يبدؤون.", "Students appear here by themselves when they begin."],
  guest: ["زائر {n}", "Guest {n}"],
  since: ["منذ {time}", "since {time}"],
  place: ["{surah}، آية {ayah}", "{surah}, ayah {ayah}"],
  place_sought: ["لم يُعرف موضعه بعد", "Place not known yet"],
  not_begun: ["لم يبدأ بعد", "Not begun yet"],
  judged_words: [
    "صحيحة: {accepted}، تحتاج مراجعة: {questioned}، خطأ: {wrong}، لم تتّضح: {unclear}",
    "{accepted} accepted, {questioned} questioned, {wrong} wrong, {unclear} unclear",
  ],
  recent_slips: ["آخر ما يحتاج مراجعة", "Recent slips"],
  skipped: ["لم تُقرأ", "skipped"],
  whole_word: ["الكلمة كلها", "the whole word"],
  said_for: ["سُمع {heard} مكان {expected}", "{heard} for {expected}"],
  link_good: ["الاتصال جيد", "Connection good"],
  link_loss: ["يضيع {n}٪ من الصوت", "{n} % of the sound is lost"],
  link_silent: ["لا صوت منذ {n} ث", "No sound for {n} s"],
  state_waiting: ["يستعدّ", "Getting ready"],
  state_following: ["يقرأ", "Reciting"],
  state_unclear: ["الصوت غير واضح", "Hard to hear"],
  state_lost: ["خرج عن الموضع", "Off the passage"],
  state_done: ["أتمّ", "Finished"],

  back: ["الحلقة", "The class"],
  delay: ["متأخر", "Behind by"],
  delay_title: [
    "من وصول الصوت إلى الخادم حتى ظهوره هنا؛ أوسط القراءات الأخيرة",
    "From the sound's arrival at the server to its showing here; the middle of the latest readings",
  ],
  seeking: ["يُبحث عن موضع القراءة…", "Looking for the place…"],
  words_hint: [
    "بمفاتيح الأسهم تختار كلمة، وبمفتاح الإدخال تفتحها.",
    "Arrow keys choose a word, Enter opens it.",
  ],
  remark: ["ملاحظة إلى الطالب", "A remark to the student"],
  remark_hint: ["اكتب ملاحظة إلى الطالب", "Write a remark to the student"],
  send: ["أرسل", "Send"],
  told_remark: ["وصلت الملاحظة", "The remark has arrived"],
  told_overrule: ["سُجّل حكمك وعلم به الطالب", "Your verdict is kept, and the student told"],
  told_repeat: ["طُلبت الإعادة من: {word}", "Asked to repeat from {word}"],
  not_told: ["لم يصل: صفحة الطالب لا تستقبل", "It did not arrive: the student's page takes nothing"],
  not_told_overrule: ["سُجّل حكمك، ولم يعلم به الطالب", "Your verdict is kept, but the student could not be told"],
  refused: ["لم يُقبل: {text}", "Refused: {text}"],
  repeat: ["أعد من هنا", "Repeat from here"],
  your_verdict: ["حكمك", "Your verdict"],
  overruled: ["بحكم المعلّم", "by the teacher"],
  here_now: ["موضع الطالب الآن", "The student is here"],
  left: ["انتهت قراءة {name}", "{name} has finished"],
  began: ["بدأ {name}", "{name} has begun"],
  say_chosen: ["{word}، {status}", "{word}, {status}"],

  records: ["التقدّم", "Progress"],
  records_title: ["من قرأ في هذه الحلقة من قبل، وتقدّم كل طالب", "Who recited in this class before, and how it goes for each"],
  records_none: ["لا شيء محفوظ من هذه الحلقة", "Nothing is kept of this class"],
  records_all: ["كل الطلاب", "All students"],
  records_student: ["الجلسات: {sessions}، الدقائق: {minutes}", "Sessions: {sessions}, minutes: {minutes}"],
  records_sessions: ["الجلسات الأخيرة", "Latest sessions"],
  records_session: [
    "{verses}: {minutes} د، صحّ {accepted} من {words} كلمة، زلات {slips}",
    "{verses}: {minutes} min, {accepted} of {words} words accepted, slips: {slips}",
  ],
  records_failed: ["لا يُحفظ شيء هنا، أو تعذّر الوصول إليه", "Nothing is kept here, or it cannot be had now"],

  link_connecting: ["جارٍ الاتصال…", "Connecting…"],
  link_broken: ["انقطع الاتصال. أعيد المحاولة…", "The connection is broken. Trying again…"],
  link_expired: ["انتهت مدة هذا الرابط. اطلب رابطًا جديدًا.", "This link is over. Ask for a new one."],
  link_refused: ["هذا الرابط لا يأذن بمتابعة هذه الحلقة.", "This link does not let you watch this class."],
  link_needed: ["تحتاج هذه الصفحة إلى رابط من المشرف.", "This page needs a link from your operator."],
  class_needed: ["سمِّ الحلقة في العنوان: ‎?class=", "Name the class in the address: ?class="],
};

/** Lets `t` find them.  Call it before anything is translated. */
export function addWords() {
  Object.assign(WORDS, TEACHER_WORDS);
}
