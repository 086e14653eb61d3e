"""What the page asks for besides a session: surahs, the words of a passage, samples."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Annotated

import msgspec
from aiohttp import web
from cachetools import LRUCache
from msgspec import Meta

from recitation.explain import explain
from recitation.lexicon import Form, Lexicon, Word, recited
from recitation.mushaf import AYAT_PER_SURAH, SURAH_NAMES, AddressError, Reference, parse_reference
from recitation.phones import INDEX
from recitation.tajweed import verdict
from recitation.tajweed.explain import explain_rule
from recitation.tajweed.rules import Rule
from server.config import ConfigError
from server.problems import problem

PASSAGE_BYTES = 16 * 2**20
"""Of rendered passages kept: some 50,000 words."""

SAMPLES_INDEX = "index.json"


class Surah(msgspec.Struct, frozen=True):
    """A surah for the picker."""

    surah: int
    name: str
    latin: str
    ayat: int


class TextPhone(msgspec.Struct, frozen=True):
    """A phone of a word as it is recited in the passage."""

    unit: str
    letters: Annotated[tuple[int, int], Meta(description="characters of the text that spell it, half open")]


class TextWord(msgspec.Struct, frozen=True):
    """A word of a passage."""

    at: str
    text: str
    phones: tuple[TextPhone, ...]


class Text(msgspec.Struct, frozen=True):
    """A passage."""

    ref: str
    words: tuple[TextWord, ...]


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """A made recitation to try instead of a microphone."""

    verses: str
    url: str
    title: str = ""
    voice: str = ""


class InWords(msgspec.Struct, frozen=True):
    """A sentence in both languages of the page."""

    ar: str
    en: str


class Slip(msgspec.Struct, frozen=True):
    """What it means that one unit was heard for another."""

    rule: Annotated[str, Meta(description="recitation.explain.SlipClass")]
    traits: tuple[str, ...]
    what: InWords
    fix: InWords


class RuleSlip(msgspec.Struct, frozen=True):
    """What it means that a rule of tajweed was broken."""

    what: InWords
    fix: InWords


class Passages:
    """Passages of the lexicon as JSON by address, the recent ones kept. Used from several threads."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._lock = Lock()
        self._kept: LRUCache[Reference, bytes] = LRUCache(PASSAGE_BYTES, getsizeof=len)

    def json(self, text: str) -> bytes:
        """A passage. Raises AddressError."""
        reference = parse_reference(text)
        with self._lock:
            if reference in self._kept:
                return self._kept[reference]
        # Made without the lock: two threads may make the same, none waits for another passage.
        words = recited(self._lexicon.words(reference))
        body = msgspec.json.encode(Text(str(reference), tuple(_text_word(word, form) for word, form in words)))
        with self._lock, contextlib.suppress(ValueError):  # Larger than the whole cache: not kept.
            self._kept[reference] = body
        return body


def _text_word(word: Word, form: Form) -> TextWord:
    return TextWord(word.at, word.text, tuple(TextPhone(p.script, (p.letters[0], p.letters[1] + 1)) for p in form))


class Api:
    """Handlers of /api."""

    def __init__(self, passages: Passages, static: Path) -> None:
        """Raises ConfigError when the list of samples cannot be read."""
        self._passages = passages
        surahs = [
            Surah(n, *names, ayat) for n, (names, ayat) in enumerate(zip(SURAH_NAMES, AYAT_PER_SURAH, strict=True), 1)
        ]
        self._surahs = msgspec.json.encode(surahs)
        self._samples = msgspec.json.encode(read_samples(static))
        self._rules = msgspec.json.encode({rule: InWords(rule.label.ar, rule.label.en) for rule in Rule})

    def routes(self) -> Iterator[web.RouteDef]:
        """For the application."""
        yield web.get("/api/surahs", self.surahs)
        yield web.get("/api/verses", self.verses)
        yield web.get("/api/samples", self.samples)
        yield web.get("/api/slip", self.slip)
        yield web.get("/api/rules", self.rules)
        yield web.get("/api/rule", self.rule)

    async def surahs(self, request: web.Request) -> web.Response:
        """All surahs."""
        return _json(self._surahs)

    async def samples(self, request: web.Request) -> web.Response:
        """Made recitations."""
        return _json(self._samples)

    async def verses(self, request: web.Request) -> web.Response:
        """The words of a passage."""
        ref = request.query.get("ref", "")
        try:
            # A long surah takes a tenth of a second.
            return _json(await asyncio.to_thread(self._passages.json, ref))
        except AddressError as error:
            raise problem(web.HTTPBadRequest, str(error)) from error

    async def slip(self, request: web.Request) -> web.Response:
        """What the slip `expected` → `heard` is (nothing heard: an empty one), and how to mend it."""
        expected, heard = request.query.get("expected", ""), request.query.get("heard", "")
        if expected not in INDEX or heard not in INDEX:
            raise problem(web.HTTPBadRequest, f"units are those of recitation.phones, not {expected!r} and {heard!r}")
        try:
            slip = explain(expected, heard)
        except ValueError as error:
            raise problem(web.HTTPBadRequest, str(error)) from error
        told = Slip(slip.kind, slip.traits, InWords(slip.what.ar, slip.what.en), InWords(slip.fix.ar, slip.fix.en))
        response = _json(msgspec.json.encode(told))
        response.headers["Cache-Control"] = "max-age=86400"
        return response

    async def rules(self, request: web.Request) -> web.Response:
        """The names of all rules of tajweed."""
        return _json(self._rules)

    async def rule(self, request: web.Request) -> web.Response:
        """What it means that a rule of tajweed was broken so, and how to mend it."""
        heard = request.query.get("heard")
        if heard is not None and heard not in INDEX:
            raise problem(web.HTTPBadRequest, f"units are those of recitation.phones, not {heard!r}")
        try:
            rule, slip = Rule(request.query.get("rule", "")), verdict.Slip(request.query.get("slip", ""))
            low, high, measured = (_harakat(request.query.get(name)) for name in ("low", "high", "measured"))
            expected = None if low is None or high is None else (low, high)
            told = explain_rule(rule, slip, heard, expected=expected, measured=measured)
        except ValueError as error:
            raise problem(web.HTTPBadRequest, str(error)) from error
        words = RuleSlip(InWords(told.what.ar, told.what.en), InWords(told.fix.ar, told.fix.en))
        response = _json(msgspec.json.encode(words))
        response.headers["Cache-Control"] = "max-age=86400"
        return response


def _harakat(text: str | None) -> float | None:
    """Raises ValueError for what is no length."""
    if text is None:
        return None
    value = float(text)
    if not 0 <= value <= 100:
        raise ValueError(f"{text} harakat: they can be 0 to 100")
    return value


def read_samples(static: Path) -> list[Sample]:
    """The list in samples/index.json; none when there is no such file. Raises ConfigError for a bad one."""
    index = static / "samples" / SAMPLES_INDEX
    try:
        samples = msgspec.json.decode(index.read_bytes(), type=list[Sample])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"cannot read the list of samples {index}: {error}") from error
    for sample in samples:
        parse_reference(sample.verses)
    return samples


def _json(body: bytes) -> web.Response:
    response = web.Response(body=body, content_type="application/json", charset="utf-8")
    response.enable_compression()
    return response
