"""Inputs made of seeds: cut, doubled, swapped, spliced with what parsers dislike. Seeds lie in `corpus/`."""

import os
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"

EXAMPLES = int(os.environ.get("TALAQQI_FUZZ_EXAMPLES", "0"))
"""Of each property. Without it a few, and the same each time."""

DISLIKED = (
    b"", b"\0", b"\r\n", b"\n\n", b"%00", b"%2e%2e%2f", b"../", b"-1", b"0", b"65536", b"4294967296", b"9" * 40,
    b"1e999",
    b"NaN", b"null", b"[]", b"{}", b'"', b"[" * 200, b'{"a":' * 200, b"\xff", b"\xc3", "ﷺ".encode(), "\u202e".encode(),
    b"A" * 5000, b"::", b"a=mid:0", b"m=audio 0 UDP/TLS/RTP/SAVPF 0", b"a=rtpmap:111 opus/48000/2", b"a=extmap:99999 x",
    b"a=group:BUNDLE", b"a=candidate:1 1 udp 1 :: 1 typ host", b"a=ssrc:x", b"a=fmtp:111 =;=", b"a=setup:", b" ", b"\t",
)  # fmt: skip


def fuzz(few: int) -> settings:
    """Settings of a property: `few` examples, always the same, or TALAQQI_FUZZ_EXAMPLES new ones."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=EXAMPLES or few,
        derandomize=EXAMPLES == 0,
        database=None,
        deadline=None,
        suppress_health_check=slow,
    )


def seeds(folder: str) -> list[bytes]:
    """The files of a folder of the corpus."""
    return [path.read_bytes() for path in sorted((CORPUS / folder).iterdir())]


def lines(folder: str) -> list[bytes]:
    """The lines of the files of a folder of the corpus."""
    return [line for file in seeds(folder) for line in file.splitlines() if line]


@st.composite
def spoiled(draw: st.DrawFn, whole: Sequence[bytes], separator: bytes = b"\n", most: int = 6) -> bytes:
    """One of `whole` after a few changes to its pieces between separators, or to its bytes."""
    data = draw(st.sampled_from(whole))
    for _ in range(draw(st.integers(0, most))):
        pieces = data.split(separator)
        n = draw(st.integers(0, len(pieces) - 1))
        match draw(st.integers(0, 6)):
            case 0:
                del pieces[n]
            case 1:
                pieces.insert(n, pieces[draw(st.integers(0, len(pieces) - 1))])
            case 2:
                pieces[n] = draw(st.sampled_from(DISLIKED))
            case 3:
                words = pieces[n].split(b" ")
                words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(DISLIKED))
                pieces[n] = b" ".join(words)
            case 4:
                at = draw(st.integers(0, len(pieces[n])))
                pieces[n] = pieces[n][:at] + draw(st.binary(max_size=4)) + pieces[n][at + draw(st.integers(0, 4)) :]
            case 5:
                pieces = pieces[: n + 1]
            case _:
                pieces[n] += draw(st.sampled_from(DISLIKED))
        data = separator.join(pieces)
    return data
