"""The process that holds espeak-ng's C library; ``recitation.made_voice.espeak`` starts it and talks to it.

The library never says the same thing twice alike: the phase of its flutter and of its wave runs on from one
utterance to the next, its random numbers are libc's, and nothing resets them.  So this process loads the library,
then forks for every utterance: each is spoken from the same untouched state, and the caller's process is left alone.
It needs the standard library only, which keeps the fork cheap.

One JSON object a line on standard input: ``{"voice", "pitch", "rate", "phonemes"}``.  The answer is one line,
``{"events": [[sample, name], ...], "bytes": n}`` or ``{"error": text}``, and n bytes of 16-bit samples.
"""

import ctypes
import json
import os
import sys
from typing import Any

# espeak-ng/speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_PHONEME_EVENTS, INITIALIZE_DONT_EXIT = 0x0001, 0x8000
EVENT_LIST_TERMINATED, EVENT_PHONEME = 0, 7
CHARS_UTF8, PHONEMES = 1, 0x100
RATE, PITCH, RANGE = 1, 3, 4


class Event(ctypes.Structure):
    """espeak_EVENT."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    ]


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))


def utter(library: ctypes.CDLL, request: dict[str, Any]) -> bytes:
    """Speak one request: the whole answer."""
    sound = bytearray()
    heard: list[tuple[int, str]] = []

    def collect(samples: Any, count: int, events: Any) -> int:
        if samples and count:
            sound.extend(ctypes.string_at(samples, 2 * count))
        position = 0
        while (event := events[position]).type != EVENT_LIST_TERMINATED:
            if event.type == EVENT_PHONEME:
                heard.append((event.sample, event.name.decode("utf-8", "replace")))
            position += 1
        return 0

    callback = CALLBACK(collect)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        return answer({"error": f"espeak-ng has no voice {request['voice']!r}"})
    for parameter, value in ((RATE, request["rate"]), (PITCH, request["pitch"]), (RANGE, 0)):
        library.espeak_SetParameter(parameter, value, 0)
    text = f"[[{'|'.join(request['phonemes'])}]]".encode()
    library.espeak_Synth(text, len(text) + 1, 0, 1, 0, CHARS_UTF8 | PHONEMES, None, None)
    return answer({"events": heard, "bytes": len(sound)}) + bytes(sound)


def answer(message: dict[str, Any]) -> bytes:
    """One line of JSON."""
    return json.dumps(message).encode() + b"\n"


def main(library_name: str) -> None:
    """Answer requests until standard input ends."""
    out = sys.stdout.buffer
    try:
        library = ctypes.CDLL(library_name)
    except OSError:
        out.write(answer({"error": f"espeak-ng is not installed ({library_name} not found)"}))
        return
    flags = INITIALIZE_PHONEME_EVENTS | INITIALIZE_DONT_EXIT
    rate_hz = int(library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, None, flags))
    if rate_hz <= 0:
        out.write(answer({"error": "espeak-ng does not start, its voice data may be missing"}))
        return
    out.write(answer({"rate_hz": rate_hz}))
    out.flush()
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            out.write(utter(library, json.loads(line)))
            out.flush()
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            out.write(answer({"error": "espeak-ng died of what it was asked to say"}))
            out.flush()


if __name__ == "__main__":
    main(sys.argv[1])
