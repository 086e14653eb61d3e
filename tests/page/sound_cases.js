/** Cases of what the page hears and draws, run as those of module_cases.js. */
import { beginFollow, takeFeedback } from "/static/js/follow.js";
import { nextSize, readLook } from "/static/js/look.js";
import { Recording, VOICE_HZ } from "/static/js/own_voice.js";
import { EAR_LATE_MS, SaidWhen, wordLate_ms } from "/static/js/said_when.js";
import { SoundPainter } from "/static/js/sound_painter.js";
import { BANDS, COLUMN_MS, Fourier, VoiceColumns } from "/static/js/voice_columns.js";
import { VoiceHealth } from "/static/js/voice_health.js";
import { tableToKeep, verseTable, verseTallies } from "/static/js/verses.js";
import { VoiceMarks } from "/static/js/voice_marks.js";
import { equal, report } from "./harness.js";

const FRAME = VOICE_HZ / 50;

const ramp = (from) => Float32Array.from({ length: FRAME }, (_, i) => (from + i) / 32768);
/** A voice-like sound: a fundamental with overtones. */
const voice = (hz, seconds, size = 0.2) => Float32Array.from({ length: seconds * VOICE_HZ }, (_, i) => {
  let sum = 0;
  for (let n = 1; n <= 5; n++) sum += Math.sin((2 * Math.PI * n * hz * i) / VOICE_HZ) / n;
  return size * sum / 2;
});
/** White noise that is the same each time (a linear congruential generator, Numerical Recipes). */
function noise(seconds, size) {
  let state = 1;
  return Float32Array.from({ length: seconds * VOICE_HZ }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return size * (state / 2 ** 31 - 1);
  });
}
function columnsOf(sound, cut = FRAME) {
  const columns = new VoiceColumns();
  for (let first = 0; first < sound.length; first += cut) {
    columns.push(sound.subarray(first, first + cut), 1000 + (first * 1000) / VOICE_HZ);
  }
  return columns;
}
const pitches = (columns) => [...columns.pitch_hz.subarray(10, columns.count - 5)];
function health(sound) {
  const heard = new VoiceHealth(VOICE_HZ);
  for (let first = 0; first + FRAME <= sound.length; first += FRAME) heard.push(sound.subarray(first, first + FRAME));
  return heard;
}
/** Syllables of 250 ms with as much silence between them. */
function syllables(seconds, size) {
  const sound = voice(150, seconds, size);
  for (let i = 0; i < sound.length; i++) if (Math.floor(i / 4000) % 2) sound[i] = 1e-5 * (i % 2 ? 1 : -1);
  return sound;
}
function followed() {
  const words = [1, 2].map((n) => ({ at: `1:1:${n}`, text: "ما", phones: [{ unit: "م", letters: [0, 1] }] }));
  const follow = beginFollow(words);
  const said = new SaidWhen();
  said.noteZero(5000, true);
  const message = { type: "feedback", seq: 1, rtp: 0, sample: 0, cursor: null, speech: true, level: -20, state: "following",
    phones: [[0, "1:1:1", 0, "م", 0, 1600, 0.9, null]], stamps: [0, 0, 0], harakah_ms: 200,
    words: [[0, "1:1:1", 0, 16000, 0.9, "accepted"]],
    rules: [[0, "1:1:1", "madd_tabii", 0, 2, 3200, 9600, "error", "long", 0.9, [2, 2], 4, null, 0.1]] };
  const change = takeFeedback(follow, message);
  for (const place of change.judged) said.noteWord(follow.words[place]);
  for (const rule of change.rules) said.noteRule(rule);
  said.notePhone(0, 1600);
  return { follow, said };
}

const cases = {
  a_recording_gives_back_what_was_said_when() {
    const recording = new Recording();
    for (let n = 0; n < 150; n++) recording.push(ramp(n * FRAME % 30000), 7000 + 20 * n);
    const sound = recording.slice(8500, 8520);
    equal([sound.length, Math.round(sound[0] * 32768)], [FRAME, (75 * FRAME) % 30000]);
  },
  a_recording_is_silent_where_nothing_was_heard() {
    const recording = new Recording();
    recording.push(ramp(100), 1000);
    recording.push(ramp(100), 3000);
    const sound = recording.slice(1000, 3020);
    const loud = [...sound.keys()].filter((i) => sound[i] !== 0);
    equal([sound.length, loud.length, loud[0], loud[FRAME]], [2020 * 16, 2 * FRAME, 0, 2000 * 16]);
    equal([...recording.slice(0, 500)].some((sample) => sample !== 0), false);
  },
  a_recording_keeps_the_last_ten_minutes() {
    const recording = new Recording();
    const frame = ramp(5);
    for (let n = 0; n < 50 * 615; n++) recording.push(frame, 20 * n);
    equal(recording.blocks.length, 600);
    equal([recording.slice(14_000, 14_500)[0], recording.slice(16_000, 16_500)[0] > 0], [0, true]);
  },
  a_full_scale_sine_comes_to_one() {
    const fourier = new Fourier(512);
    fourier.power(Float32Array.from({ length: 512 }, (_, i) => Math.cos((2 * Math.PI * 40 * i) / 512)));
    const loudest = fourier.bins.indexOf(Math.max(...fourier.bins));
    equal([loudest, fourier.bins[40].toFixed(3), fourier.bins[80] < 1e-6], [40, "1.000", true]);
  },
  a_voice_has_its_pitch() {
    for (const hz of [85, 120, 180, 300, 450]) {
      const found = pitches(columnsOf(voice(hz, 0.5)));
      const off = Math.max(...found.map((pitch) => Math.abs(Math.log2(pitch / hz))));
      if (!(off < 0.03)) throw new Error(`${hz} Hz: off by ${off} octaves`);
    }
  },
  noise_and_silence_have_no_pitch() {
    const voiced = pitches(columnsOf(noise(2, 0.3))).filter((hz) => hz > 0).length;
    if (voiced > 10) throw new Error(`${voiced} of 185 columns of noise had a pitch`);
    equal(pitches(columnsOf(new Float32Array(VOICE_HZ))).some((hz) => hz > 0), false);
  },
  the_middle_of_a_voice_is_found_from_either_side() {
    const both = new Float32Array(8 * VOICE_HZ);
    both.set(voice(300, 1));
    both.set(voice(150, 7), VOICE_HZ);
    const { middle_hz } = columnsOf(both);
    if (!(Math.abs(middle_hz - 150) < 5)) throw new Error(`${middle_hz} Hz`);
  },
  higher_sounds_lie_higher_in_the_spectrum() {
    const bands = [200, 600, 1500, 4000].map((hz) => {
      const tone = Float32Array.from({ length: 4000 }, (_, i) => 0.3 * Math.sin((2 * Math.PI * hz * i) / VOICE_HZ));
      const columns = columnsOf(tone);
      const slot = columns.slot(columns.count - 1);
      const column = columns.spectrum.subarray(slot * BANDS, (slot + 1) * BANDS);
      return column.indexOf(Math.max(...column));
    });
    equal(bands, [...bands].sort((a, b) => a - b));
    equal(new Set(bands).size, 4);
  },
  columns_do_not_depend_on_how_sound_is_cut() {
    const sound = noise(0.5, 0.2);
    const [whole, cut] = [columnsOf(sound), columnsOf(sound, 130)];
    equal(cut.count, whole.count);
    equal([...cut.spectrum.subarray(0, 40 * BANDS)], [...whole.spectrum.subarray(0, 40 * BANDS)]);
    const apart = [...cut.time_ms.subarray(0, cut.count)].map((time, i) => Math.abs(time - whole.time_ms[i]));
    if (Math.max(...apart) > 0.01) throw new Error(`${Math.max(...apart)} ms apart`);
  },
  a_column_is_found_by_its_time() {
    const columns = columnsOf(voice(150, 1));
    const time = columns.time_ms[37];
    equal([columns.at(time), columns.at(time + 1), columns.at(0), columns.at(1e9)], [37, 38, 0, columns.count]);
    const painter = new SoundPainter(document.createElement("canvas"), columns);
    equal([painter.column(time + COLUMN_MS / 2).toFixed(2), painter.column(columns.time_ms[99] + 50).toFixed(2)], ["37.50", "104.00"]);
  },
  rings_of_columns_run_out_of_the_oldest() {
    const columns = new VoiceColumns();
    columns.count = 60_005;
    equal([columns.first, columns.slot(60_005)], [6, 5]);
  },
  a_good_voice_has_no_ailment() {
    equal(health(syllables(10, 0.2)).ailment, null);
  },
  each_ailment_is_named() {
    equal(health(new Float32Array(3 * VOICE_HZ)).ailment, "dead");
    equal(health(syllables(10, 0.003)).ailment, "quiet");
    equal(health(syllables(10, 3).map((sample) => Math.max(-1, Math.min(1, sample)))).ailment, "clipping");
    const loud = noise(10, 0.05);
    equal(health(voice(150, 10, 0.02).map((sample, i) => sample + loud[i])).ailment, "noisy");
  },
  who_does_not_speak_is_not_too_quiet() {
    equal(health(noise(10, 1e-4)).ailment, null);
  },
  an_ailment_goes_when_its_cause_does() {
    const heard = health(new Float32Array(3 * VOICE_HZ));
    equal([heard.push(voice(150, 0.02)), heard.ailment], [true, null]);
    const faint = health(syllables(10, 0.003));
    const sound = syllables(7, 0.2);
    for (let first = 0; first + FRAME <= sound.length; first += FRAME) faint.push(sound.subarray(first, first + FRAME));
    equal(faint.ailment, null);
  },
  what_a_browser_kept_is_not_trusted() {
    equal(readLook(null, true), { size: 1, theme: "auto", pictures: true });
    equal(readLook({ size: 9, theme: "pink", pictures: 1 }, false), { size: 1, theme: "auto", pictures: false });
    equal(readLook({ size: 1.2, theme: "dark", pictures: false }, true), { size: 1.2, theme: "dark", pictures: false });
    equal([nextSize(1, 1), nextSize(1.75, 1), nextSize(0.7, -1)], [1.2, 1.75, 0.7]);
  },
  words_and_rules_are_marked_where_they_were_said() {
    const { follow, said } = followed();
    const marks = new VoiceMarks();
    marks.gather(follow, said, 0, 1e12);
    equal([marks.words, marks.wordFrom[0], marks.wordTo[0], marks.wordTone[0]], [1, 5000 - wordLate_ms(follow.words[0].units[0]), 6000, "accepted"]);
    equal([marks.rules, marks.ruleFrom[0], marks.ruleTo[0], marks.ruleTone[0]], [1, 5200 - EAR_LATE_MS, 5600 - EAR_LATE_MS, "error"]);
    equal([marks.ruleHarakah[0], marks.ruleLeast[0], marks.ruleMost[0]], [100, 2, 2], "counts of the rule's own tempo");
    equal([marks.harakah_ms, marks.anchor_ms, marks.wordAt(5500), marks.wordAt(6000)], [200, 5100 - EAR_LATE_MS, 0, -1]);
    marks.gather(follow, said, 7000, 8000);
    equal([marks.words, marks.rules], [0, 0], "out of sight");
  },
  of_a_long_passage_also_the_oldest_words_are_marked() {
    const follow = beginFollow(Array.from({ length: 100 }, (_, n) => ({ at: `2:1:${n + 1}`, text: "x", phones: [] })));
    const said = new SaidWhen();
    said.noteZero(0, true);
    follow.words.forEach((word, n) => {
      Object.assign(word, { verdict: "accepted", start: 16000 * (n + 1), end: 16000 * (n + 2) });
      said.noteWord(word);
      said.notePhone(n, word.end);
    });
    const marks = new VoiceMarks();
    marks.gather(follow, said, 3200, 3700);
    equal([marks.words, marks.wordTo[0]], [1, 4000]);
    marks.gatherNewest(follow, said, 3200, 3700);
    equal(marks.words, 0, "what is drawn live lies near the newest word");
    marks.gatherNewest(follow, said, 99200, 99700);
    equal([marks.words, marks.wordTo[0]], [1, 100000]);
  },
  the_later_a_sound_is_told_from_others_the_later_its_word_begins() {
    const late = ["ق", "ل", "صص", "لل", "نننن", undefined].map(wordLate_ms);
    equal([late[0] > late[1], late[2] > late[0], late[3] === late[1], late[4] === late[0], late[5] === late[1]], Array(5).fill(true));
  },
  one_late_message_does_not_move_what_was_said() {
    const said = new SaidWhen();
    for (const zero of [1000, 1001, 999, 1080, 1000]) said.noteZero(zero, true);
    equal(said.zero_ms, 1000);
    said.noteZero(9000, true);
    equal(said.zero_ms, 9000, "another session");
  },
  a_guess_is_never_early() {
    const said = new SaidWhen();
    for (const zero of [1400, 1100, 1003, 2500]) said.noteZero(zero, false);
    equal(said.zero_ms, 1003);
  },
  a_summary_is_told_by_verse() {
    const word = (at, verdict) => ({ at, verdict, text: "", rules: [], phones: [] });
    const broken = { severity: "error", slip: "short" };
    const words = [word("1:1:1", "accepted"), { ...word("1:1:2", "omitted"), rules: [broken] }, word("1:2:1", null),
      word("1:3:1", "unclear")];
    equal(verseTallies(words).map((v) => [v.ayah, v.accepted, v.wrong, v.unclear, v.rules]),
      [[1, 1, 1, 0, 1], [3, 0, 0, 1, 0]]);
    equal(verseTable({ words }).querySelectorAll("tbody tr").length, 2);
    equal(verseTable({ words: words.slice(0, 2) }), null, "one verse needs no table");
  },
  what_was_told_is_kept_as_a_table() {
    const { follow } = followed();
    const [head, word, rule] = tableToKeep(follow, "en").split("\r\n");
    equal([head.split(",").length, word], [9, "1:1:1,ما,accepted,0.90,,,,,"]);
    equal([rule.split(",").length, rule.includes("error"), rule.endsWith("4.0")], [9, true, true]);
    follow.words[0].text = 'a "quoted", word';
    equal(tableToKeep(follow, "en").split("\r\n")[1].startsWith('1:1:1,"a ""quoted"", word",accepted'), true);
  },
  a_voice_is_drawn_in_its_colours() {
    const { follow, said } = followed();
    const canvas = document.createElement("canvas");
    canvas.style.cssText = "width: 300px; height: 150px; --accepted: rgb(0, 200, 0); --voice: rgb(0, 0, 200)";
    document.body.append(canvas);
    const columns = new VoiceColumns();
    const sound = voice(150, 2);
    for (let first = 0; first < sound.length; first += FRAME) {
      columns.push(sound.subarray(first, first + FRAME), 5000 + (first * 1000) / VOICE_HZ);
    }
    const painter = new SoundPainter(canvas, columns);
    painter.fit();
    const marks = new VoiceMarks();
    marks.gather(follow, said, 0, 1e12);
    painter.paint(0, columns.count, marks);
    const wave = Math.round(0.28 * canvas.height);
    const at = (share) => {
      const [, green, blue] = painter.pen.getImageData(Math.round(share * canvas.width), wave, 1, 1).data;
      return green > 150 && blue < 50 ? "accepted" : blue > 150 && green < 50 ? "voice" : `${green} ${blue}`;
    };
    equal([at(0.25), at(0.75)], ["accepted", "voice"], "the word accepted, then what is not judged yet");
    canvas.remove();
  },
};

await report(cases);
