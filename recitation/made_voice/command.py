"""Made recitations as files: audio by suffix, times as JSON, ``make-recitation`` and the shipped samples."""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from recitation.audio import SAMPLE_HZ
from recitation.lexicon import LexiconError, default_lexicon, recited
from recitation.made_voice.espeak import EspeakError
from recitation.made_voice.recite import MadeRecitation, Manner, make_recitation
from recitation.made_voice.slips import SlipError
from recitation.made_voice.slips import __doc__ as slips_doc
from recitation.made_voice.voices import DEFAULT_VOICE, VOICES
from recitation.mushaf import AddressError, parse_reference
from recitation.sound_files import write_audio

SAMPLES = (("1:1-7", "man4", 0.17), ("112", "woman2", 0.16), ("113", "man1", 0.15))
"""(verses, voice, seconds a harakah) of the recitations that ship with the student page."""


def times(made: MadeRecitation, verses: str) -> dict[str, Any]:
    """What was recited when, ready for JSON; times are seconds of the audio file."""

    def seconds(sample: int) -> float:
        return round(sample / SAMPLE_HZ, 7)

    words = [
        {"at": at, "start": seconds(group[0].start), "end": seconds(group[-1].end)} for at, group in _word_groups(made)
    ]
    return {
        "verses": verses,
        "voice": made.voice,
        "harakah": made.harakah_s,
        "seconds": seconds(len(made.pcm)),
        "words": words,
        "phones": [
            {"at": p.at, "index": p.index, "unit": p.script, "start": seconds(p.start), "end": seconds(p.end)}
            for p in made.phones
        ],
        "errors": [
            {
                "kind": e.kind, "at": e.at, "index": e.index, "wanted": e.wanted, "spoken": e.spoken,
                "start": seconds(e.start), "end": seconds(e.end),
            }
            for e in made.errors
        ],
    }  # fmt: skip


def _word_groups(made: MadeRecitation) -> Iterator[tuple[str, list[Any]]]:
    """Phones by spoken word; a word said twice in a row is two."""
    said = 0
    keys = []
    for n, phone in enumerate(made.phones):
        before = made.phones[n - 1] if n else None
        said += before is None or phone.at != before.at or phone.index <= before.index
        keys.append(said)
    for _, group in groupby(zip(keys, made.phones, strict=True), key=lambda pair: pair[0]):
        phones = [phone for _, phone in group]
        yield phones[0].at, phones


def write_times(path: Path, made: MadeRecitation, verses: str) -> None:
    """Write ``times`` as one JSON document."""
    path.write_text(json.dumps(times(made, verses), ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


def recite_reference(verses: str, **options: Any) -> MadeRecitation:
    """``make_recitation`` of an address such as ``1:1-7``.  Raises AddressError besides."""
    return make_recitation(recited(default_lexicon().words(parse_reference(verses))), **options)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``make-recitation``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (slips_doc or "").partition("\n\n")[2]
    parser.add_argument("verses", help="what to recite: 1:1-7, 112, 2:255 or 2:255:3")
    parser.add_argument("out", type=Path, help="audio file: .wav, .flac, .opus or .ogg")
    parser.add_argument("--voice", default=DEFAULT_VOICE, help=f"one of {', '.join(VOICES)} (default %(default)s)")
    parser.add_argument(
        "--tempo", type=float, default=0.15, metavar="S", help="seconds a harakah (default %(default)s)"
    )
    parser.add_argument("--errors", nargs="+", action="extend", default=[], metavar="ORDER", help="mistakes, see below")
    parser.add_argument("--stop", nargs="+", action="extend", default=[], metavar="AT", help="words to stop at")
    parser.add_argument("--pitch", type=float, metavar="HZ", help="median pitch in place of the voice's own")
    parser.add_argument("--noise", type=float, default=-70.0, metavar="DBFS", help="room noise (default %(default)s)")
    parser.add_argument("--times", type=Path, metavar="FILE", help="write the times of the phones as JSON")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same samples")


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments say; 2 and one line on standard error when they cannot be followed."""
    try:
        made = recite_reference(
            arguments.verses,
            voice=arguments.voice,
            harakah_s=arguments.tempo,
            errors=arguments.errors,
            random=arguments.seed,
            stops=arguments.stop,
            manner=Manner(pitch_hz=arguments.pitch, noise_dbfs=arguments.noise),
        )
        write_audio(arguments.out, made.pcm)
        if arguments.times is not None:
            write_times(arguments.times, made, str(parse_reference(arguments.verses)))
    except (AddressError, EspeakError, LexiconError, SlipError, ValueError, OSError) as error:
        print(f"make-recitation: {error}", file=sys.stderr)
        return 2
    for slip in made.errors:
        place = slip.at if slip.index is None else f"{slip.at}:{slip.index}"
        change = f"{slip.wanted or '-'} became {slip.spoken or '-'}"
        print(f"{slip.kind} at {place}: {change} at {slip.start / SAMPLE_HZ:.3f} s", file=sys.stderr)
    return 0


def write_samples(folder: Path) -> None:
    """Make the samples of the student page: N.opus, N.times.json and index.json."""
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for number, (verses, voice, tempo) in enumerate(SAMPLES, 1):
        made = recite_reference(verses, voice=voice, harakah_s=tempo, random=number)
        write_audio(folder / f"{number}.opus", made.pcm)
        write_times(folder / f"{number}.times.json", made, verses)
        index.append({"verses": verses, "url": f"/static/samples/{number}.opus", "voice": voice})
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n", "utf-8")
