"""espeak-ng: phonemes of its Arabic voice in, samples and phoneme positions out.

Phoneme events count samples of the library's own output, so the positions are exact.  The library lives in a child
process (see ``espeak_server`` for why), and the same request always gives the same samples.
"""

import json
import os
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm, Resampler

INSTALL = "apt-get install espeak-ng"
LIBRARY = "libespeak-ng.so.1"
WORDS_PER_MINUTE = 90
"""Slow, so that vowels show a steady state that is longer than their transitions."""


class EspeakError(RuntimeError):
    """espeak-ng is not installed, or refused what it was asked; the message says which."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What espeak-ng said, at 16 kHz."""

    pcm: Pcm
    starts: tuple[int, ...]
    """First sample of each phoneme asked for, and one more: the end of the last."""


class Espeak:
    """espeak-ng in its child process.  Use ``espeak()``: one for each process; threads may share it."""

    def __init__(self, library: str = LIBRARY) -> None:
        """Raises EspeakError when the library or its data is not there."""
        server = Path(__file__).with_name("espeak_server.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(server), library], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._answers: IO[bytes] = self._process.stdout
        self._turn = threading.Lock()
        weakref.finalize(self, _stop, self._process, os.getpid())
        self.rate_hz = int(self._answer(f": {INSTALL}")["rate_hz"])

    def _answer(self, cure: str = "") -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise EspeakError("the espeak-ng process has ended")
        message: dict[str, Any] = json.loads(line)
        if "error" in message:
            raise EspeakError(message["error"] + cure)
        return message

    def speak(self, voice: str, pitch: int, phonemes: Sequence[str], tract: float = 1.0) -> Utterance:
        """Speak phonemes in monotone by their mnemonics (at most 50: a buffer of the library).

        ``voice`` is a name such as ``ar+f1``, ``pitch`` 0 to 99.  ``tract`` above 1 raises every formant, and the
        pitch with them, as a shorter vocal tract would.  Raises EspeakError when there is no such voice or phoneme.
        """
        request = {"voice": voice, "pitch": pitch, "rate": WORDS_PER_MINUTE, "phonemes": list(phonemes)}
        with self._turn:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            message = self._answer()
            raw = np.frombuffer(self._answers.read(message["bytes"]), np.int16)
        events: list[tuple[int, str]] = [(sample, name) for sample, name in message["events"]]
        heard = [(sample, name) for sample, name in events if not re.fullmatch(r"_.?|", name)]
        if [name for _, name in heard] != list(phonemes):
            spoken = " ".join(name for _, name in heard)
            raise EspeakError(f"espeak-ng spoke {spoken!r} when asked for {' '.join(phonemes)!r}")
        end = next((sample for sample, name in events if sample > heard[-1][0] and name.startswith("_")), len(raw))
        source_hz = round(self.rate_hz * tract)
        resampler = Resampler(source_hz)
        pcm = np.concatenate([resampler.push(raw.astype(np.float32) / np.float32(32768)), resampler.flush()])
        return Utterance(pcm, tuple(round(p * SAMPLE_HZ / source_hz) for p in (*(s for s, _ in heard), end)))


def _stop(process: subprocess.Popen[bytes], owner: int) -> None:
    """End the child process, unless this is a fork of the process that owns it."""
    if os.getpid() == owner:
        process.kill()
        process.communicate()


_by_process: dict[int, Espeak] = {}


def espeak() -> Espeak:
    """The synthesiser of this process.  Raises EspeakError when espeak-ng is not installed."""
    # A fork must not write into its parent's pipe.
    if os.getpid() not in _by_process:
        _by_process[os.getpid()] = Espeak()
    return _by_process[os.getpid()]
