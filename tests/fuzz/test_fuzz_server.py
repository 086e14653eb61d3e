"""A running server is sent requests, bodies and WebSocket frames that nobody meant: it answers or hangs up, tells
nothing of itself, and serves the next one."""

import base64
import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import fuzz, lines, seeds, spoiled
from target import TOKEN, Target

TELLING = re.compile(rb"Traceback|File \"|\.py\b|site-packages|" + re.escape(os.fsencode(Path(__file__).parents[2])))
"""What an answer must not hold: stacks and paths of the machine."""

HEADERS = [b"", f"Authorization: Bearer {TOKEN}\r\n".encode(), b"X-Forwarded-For: 203.0.113.1\r\n"]
KINDS = [b"application/sdp", b"application/trickle-ice-sdpfrag", b"application/json", b"text/plain"]


def check(target: Target, request: bytes, wait_s: float = 1.0, *, served: bool = False) -> None:
    answer = target.ask(request, wait_s)
    head, _, _ = answer.partition(b"\r\n\r\n")
    status = head[9:12]
    assert not status.startswith(b"5") or status == b"503", answer[:2000]
    if not (status in (b"200", b"101") and served):
        # aiohttp shows a request line that is none to whoever sent it.
        assert not [told for told in TELLING.findall(answer) if told not in request], answer[:2000]
    if status and not status.startswith(b"1"):
        assert b"nosniff" in head or status == b"400", "every answer has its headers"
    assert target.lives()
    faults, target.faults = target.faults, []
    assert not faults, faults


@fuzz(20)
@given(spoiled(lines("requests"), separator=b"/", most=4), st.sampled_from(HEADERS), spoiled(lines("tokens"), b"."))
def test_requests(target: Target, line: bytes, header: bytes, token: bytes) -> None:
    for extra in (header, b"Authorization: " + token + b"\r\n"):
        request = line + b"\r\nHost: localhost\r\nConnection: close\r\n" + extra + b"\r\n"
        # The page's own files and figures may name modules.
        check(target, request, served=line.startswith((b"GET /static", b"GET / ", b"GET /metrics")))


@fuzz(12)
@given(
    st.sampled_from([b"POST /whip?verses=112", b"PATCH /whip/x", b"POST /whip/x/events", b"POST /api/tokens"]),
    st.sampled_from(KINDS),
    spoiled(seeds("offers") + seeds("fragments") + lines("messages")),
)
def test_bodies(target: Target, line: bytes, kind: bytes, body: bytes) -> None:
    head = b"%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n" % (line, TOKEN.encode())
    request = head + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)
    check(target, request)


def frame(opcode: int, payload: bytes, *, masked: bool = True, final: bool = True) -> bytes:
    """As RFC 6455 5.2 has it, with a mask of zeros."""
    size = len(payload)
    mask = 0x80 if masked else 0
    if size < 126:
        length = bytes([mask | size])
    elif size < 65_536:
        length = bytes([mask | 126]) + struct.pack(">H", size)
    else:
        length = bytes([mask | 127]) + struct.pack(">Q", size)
    return bytes([(0x80 if final else 0) | opcode]) + length + (b"\0\0\0\0" if masked else b"") + payload


FRAMES = st.builds(
    frame,
    st.sampled_from([1, 2]) | st.integers(0, 15),
    spoiled([*lines("messages"), b"\x01\0\0\0\0\0\0\xd8\xff\xfe", b"\x02\0\0\0\0\1\2\3\4"], separator=b","),
    masked=st.sampled_from([True] * 9 + [False]),
    final=st.sampled_from([True] * 4 + [False]),
)


@fuzz(12)
@given(
    st.sampled_from([b"/ws?verses=112", b"/watch?class=open"]), st.lists(FRAMES | st.binary(max_size=60), max_size=8)
)
def test_websocket_frames(target: Target, path: bytes, frames: list[bytes]) -> None:
    key = base64.b64encode(b"0123456789abcdef")
    head = b"GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % (path, TOKEN.encode())
    upgrade = (
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % key
    )
    check(target, head + upgrade + b"".join(frames) + frame(8, b"\x03\xe8"), 0.3)


@pytest.mark.soak
def test_for_long() -> None:
    """All properties again and again on new examples, TALAQQI_FUZZ_MINUTES (60) long."""
    end = time.monotonic() + 60 * float(os.environ.get("TALAQQI_FUZZ_MINUTES", "60"))
    environment = {**os.environ, "TALAQQI_FUZZ_EXAMPLES": os.environ.get("TALAQQI_FUZZ_EXAMPLES", "500")}
    folder = Path(__file__).parent
    rounds = 0
    while time.monotonic() < end:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-8000:]
        rounds += 1
    assert rounds > 0
