/**
 * The pictures of the voice over the dock while somebody recites: drawn from the sound as the microphone gives it, and
 * coloured when verdicts come.
 */
import { SoundPainter } from "./sound_painter.js";
import { VoiceMarks } from "./voice_marks.js";

/** px a column of 10 ms: eight to ten seconds on a desk, five on a phone. */
const WIDE_PX = 1;
const NARROW_PX = 0.75;
const NARROW_SCREEN_PX = 640;

/** Behind the sound that is said now, so that a column is there when its place comes into sight. */
const BEHIND_MS = 80;

export class Pictures {
  /**
   * @param {HTMLCanvasElement} canvas @param {import("./voice_columns.js").VoiceColumns} columns
   * @param {import("./sheet.js").Sheet} sheet @param {import("./said_when.js").SaidWhen} said
   */
  constructor(canvas, columns, sheet, said) {
    this.columns = columns;
    this.sheet = sheet;
    this.said = said;
    this.painter = new SoundPainter(canvas, columns);
    this.marks = new VoiceMarks();
    this.live = false;
    new ResizeObserver(() => this.painter.fit()).observe(canvas);
  }

  /** A recitation begins. */
  begin() {
    this.columns.clear();
    this.painter.fit();
    this.live = true;
  }

  end() {
    this.live = false;
  }

  /** The newest feedback told the tempo.  @param {number|null} harakah_ms */
  keepTime(harakah_ms) {
    this.columns.tempo_ms = harakah_ms ?? 0;
  }

  /** Draws what is in sight, once a frame. */
  frame() {
    const { painter, columns, marks } = this;
    if (!this.live || !painter.width || !columns.count) return;
    const now_ms = performance.timeOrigin + performance.now() - BEHIND_MS;
    const to = painter.column(now_ms);
    const px = painter.width < NARROW_SCREEN_PX ? NARROW_PX : WIDE_PX;
    const from = to - painter.width / px;
    marks.gatherNewest(this.sheet.follow, this.said, now_ms - (10 * painter.width) / px, now_ms);
    painter.paint(from, to, marks);
  }
}
