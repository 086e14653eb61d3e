"""``talaqqi score``: a recorded recitation judged word by word, by the same code that listens live."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recitation.acoustics.engine import LOOKAHEADS_MS, Engine
from recitation.acoustics.engines import add_engine_arguments, engine_of
from recitation.acoustics.intake import intake_of
from recitation.audio import read_audio
from recitation.events import PhoneVerdict, Status, Summary, Update
from recitation.features import SAMPLE_RATE
from recitation.finding import AUTO, Finding
from recitation.listening import hear_voices
from recitation.locator import default_locator
from recitation.mushaf import AddressError
from recitation.paper import quran_font
from recitation.pipeline import HopStep, Session, passage, recite
from recitation.prosody.pitch import SwiftPitch, hear_pitches
from recitation.report_page import report_page
from recitation.slips import Slip, SlipKind, slips_of
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.verdict import RuleVerdict, Severity
from recitation.tracker import FRAME_SAMPLES, LAG_FRAMES
from recitation.vad import SileroVad

MARKS = {
    Status.ACCEPTED: "✓",
    Status.QUESTIONED: "?",
    Status.WRONG: "✗",
    Status.UNCLEAR: "~",
    Status.OMITTED: "-",
    Status.REPEATED: "↺",
    Status.NOT_REACHED: " ",
}


def score(
    engine: Engine, pcm: NDArray[np.float32], verses: str, *, offline: bool = False, moshaf: Moshaf | None = None
) -> Summary:
    """Judge a recording, float32[n] at 16 kHz.  ``offline`` lets every decision see the whole recording; the rules of
    tajweed are judged by the settings of ``moshaf`` (the usual ones).

    Raises AddressError for a bad address.
    """
    moshaf = moshaf or Moshaf()
    lag = len(pcm) // FRAME_SAMPLES + 2 if offline else LAG_FRAMES
    session = Session(passage(verses), SileroVad(), lag, intake_of(engine), moshaf=moshaf, prosody=True)
    updates: Iterator[Update] = recite(session, engine, pcm, pitch=SwiftPitch())
    for _ in tqdm(updates, total=len(pcm) // 1280, desc=verses, unit="hop", leave=False, disable=None):
        pass
    return session.summary()


def find(engine: Engine, pcm: NDArray[np.float32], moshaf: Moshaf | None = None) -> tuple[str, Summary]:
    """Find where a recording, float32[n] at 16 kHz, is recited, and judge it there: the address and the verdicts.

    Raises AddressError when no place is certain.
    """
    vad, step, pitch = SileroVad(), HopStep(engine), SwiftPitch()
    intake, settings = intake_of(engine), moshaf or Moshaf()

    def make_session(verses: str) -> Session:
        return Session(passage(verses), vad, intake=intake, moshaf=settings, prosody=True)

    finding = Finding(make_session, default_locator(), intake)
    for begin in range(0, len(pcm), intake.samples):
        finding.push(pcm[begin : begin + intake.samples])
        while finding.hops_ready:
            log_probs = step(finding.take_hop())
            hear_voices(vad, [finding.voice_ready()])
            finding.hop_done(log_probs)
        hear_pitches(pitch, [finding])
        question = finding.question
        if question is not None:
            finding.take(question.answer())
    finding.finish(step)
    hear_pitches(pitch, [finding])
    if finding.verses == AUTO:
        raise AddressError("no verse was recognised with certainty: name what was recited with --verses")
    return finding.verses, finding.summary()


def _seconds(sample: int | None) -> float | None:
    return None if sample is None else round(sample / SAMPLE_RATE, 3)


def _phone_row(phone: PhoneVerdict) -> dict[str, Any]:
    return {
        "unit": phone.unit,
        "start": _seconds(phone.start),
        "end": _seconds(phone.end),
        "p": phone.p,
        "heard": phone.heard,
        "letters": list(phone.letters),
    }


def _slip_row(slip: Slip) -> dict[str, Any]:
    """A slip as interfaces describe it: times in seconds, ``name`` and ``uncertainty`` where there are any."""
    row: dict[str, Any] = msgspec.to_builtins(slip)
    row |= {"start": _seconds(slip.start), "end": _seconds(slip.end)}
    return {key: value for key, value in row.items() if value is not None or key in ("expected", "measured")}


def _rule_row(verdict: RuleVerdict) -> dict[str, Any]:
    return {
        "at": verdict.at,
        "rule": verdict.rule.value,
        "letters": list(verdict.letters),
        "start": _seconds(verdict.start),
        "end": _seconds(verdict.end),
        "severity": verdict.severity.value,
        "slip": None if verdict.slip is None else verdict.slip.value,
        "measured": None if verdict.measured is None else round(verdict.measured, 2),
    }


def as_json(file: str, verses: str, summary: Summary, *, offline: bool) -> dict[str, Any]:
    """The object ``talaqqi score --json`` prints."""
    prosody = {} if summary.prosody is None else msgspec.to_builtins(summary.prosody)
    return {
        "file": file,
        "verses": verses,
        "seconds": _seconds(summary.samples),
        "mode": "offline" if offline else "streaming",
        "words": [
            {
                "at": word.at,
                "text": word.text,
                "start": _seconds(word.start),
                "end": _seconds(word.end),
                "score": word.score,
                "status": word.status.value,
                "phones": [_phone_row(phone) for phone in word.phones],
            }
            for word in summary.words
        ],
        "slips": [_slip_row(slip) for slip in slips_of(summary)],
        "rules": [_rule_row(verdict) for verdict in summary.rules],
        "tempo": None if summary.tempo is None else msgspec.to_builtins(summary.tempo),
        "pitch": prosody.pop("pitch", None),
        "prosody": prosody or None,
    }


def as_text(summary: Summary) -> str:
    """A table for people."""
    lines = []
    for word in summary.words:
        span = (
            "      –      "
            if word.start is None
            else f"{word.start / SAMPLE_RATE:6.2f}–{(word.end or 0) / SAMPLE_RATE:<6.2f}"
        )
        doubts = " ".join(f"{p.unit}→{p.heard or '∅'}" for p in word.phones if p.heard is not None)
        shown = "    " if word.score is None else f"{word.score:.2f}"
        lines.append(f"{MARKS[word.status]} {word.at:>9} {span} {shown}  {word.text}  {doubts}".rstrip())
    for slip in slips_of(summary):
        if slip.kind is SlipKind.TAJWEED:
            mark = "!" if slip.severity is Severity.ERROR else "?"
            times = f"{slip.start / SAMPLE_RATE:6.2f}–{slip.end / SAMPLE_RATE:<6.2f}"
            lines.append(f"{mark} {slip.at:>9} {times} {slip.confidence:.2f}  {slip.text.en}")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``talaqqi score``."""
    parser.add_argument("file", type=Path, help="a recording in any format FFmpeg reads")
    parser.add_argument(
        "--verses", default=AUTO, help="what was recited: 1:1-7, 112, 2:255, 2:255:3 (default: find it)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="write a page with a picture of every slip")
    parser.add_argument(
        "--moshaf",
        default="",
        metavar="SETTINGS",
        help="settings of the reading, such as munfasil=5,muttasil=5 (docs/tajweed-rules.md)",
    )
    parser.add_argument("--offline", action="store_true", help="decide with the whole recording at hand")
    parser.add_argument("--lookahead-ms", type=int, default=0, choices=LOOKAHEADS_MS, help="as the server's (0)")
    add_engine_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the judgement of a file.  Raises AudioError, AddressError, ModelError, MoshafError, OSError."""
    moshaf = Moshaf.parse(arguments.moshaf)
    known = None if arguments.verses == AUTO else str(passage(arguments.verses).reference)
    pcm = read_audio(arguments.file)
    engine = engine_of(arguments, arguments.lookahead_ms)
    verses, summary = (known, None) if known else find(engine, pcm, moshaf)
    if summary is None or arguments.offline:
        summary = score(engine, pcm, verses, offline=arguments.offline, moshaf=moshaf)
    if arguments.report:
        title = f"{verses}, {arguments.file.name}"
        arguments.report.write_text(report_page(title, pcm, summary, quran_font()), encoding="utf-8")
    if arguments.json:
        row = as_json(str(arguments.file), verses, summary, offline=arguments.offline)
        print(json.dumps(row, ensure_ascii=False))
        return 0
    print(as_text(summary))
    reached = sum(word.start is not None for word in summary.words)
    print(f"{summary.count(Status.ACCEPTED)} of {reached} words accepted", file=sys.stderr)
    return 0
