"""Sessions over real WebSockets: the same verdicts as over WebRTC, and what a client cannot do to the server."""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_ear import Running, StartServer

from recitation.accuracy.clips import development, load_clips
from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm, Resampler
from recitation.events import Following, PhoneVerdict, Update
from recitation.made_voice import MadeRecitation
from server import presence, probe
from server.app import ear_of
from server.channels import FeedbackTail
from server.config import ConfigError
from server.frames import opus_frame
from server.handshake import BEARER
from server.live import Live
from server.messages import (
    Audio,
    Error,
    Feedback,
    Listened,
    Passage,
    PhoneRow,
    Ping,
    Pong,
    Remark,
    Stamps,
    Stop,
    SummaryMessage,
    Welcome,
    WordRow,
    decode_server,
    encode,
)
from server.reciter import Heard, Network, Reciter, ReciterError, Recording, encode_recording
from server.roles import Role, mint
from server.rtp_tap import OpusDecoder
from server.socket_reciter import SocketReciter, pcm_frames
from server.watch_messages import (
    Open,
    Rows,
    Snapshot,
    TeacherRemark,
    Tile,
    Tiles,
    Told,
    WatchMessage,
    decode_watch,
    encode_watch,
)
from server.websocket import SUBPROTOCOL, Pace

ROOT = Path(__file__).parent.parent.parent
SECRET = "s" * 32


def errors(heard: Heard) -> list[str]:
    return [message.code for _, message in heard.control if isinstance(message, Error)]


def phones_of(heard: Heard) -> list[PhoneRow]:
    """Every verdict on a phone, as often as it came."""
    return [row for _, message in heard.feedback for row in message.phones]


def words_of(heard: Heard) -> list[WordRow]:
    return [row for _, message in heard.feedback for row in message.words]


def told_apart(heard: Heard) -> list[PhoneRow | WordRow]:
    """Every verdict once, in order."""
    phones, words = {row.id: row for row in phones_of(heard)}, {row.id: row for row in words_of(heard)}
    return [*(phones[n] for n in sorted(phones)), *(words[n] for n in sorted(words))]


def check_feedback(heard: Heard, phones: range) -> None:
    """All is in order: times, numbers, each verdict once and only once."""
    messages = [message for _, message in heard.feedback]
    assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
    first = heard.network.first_rtp
    assert first is not None
    # The session's clock begins 48 samples and up to three packets before the first frame.
    lead = (messages[0].sample - (messages[0].rtp - first) // 3) % 2**30
    assert lead in (48, 368, 688, 1008)
    for message in messages:
        assert message.rtp == (first + (message.sample - lead) * 3) & 0xFFFFFFFF
        assert message.stamps.rx_ms <= message.stamps.encoded_ms <= message.stamps.sent_ms
    ids = [row.id for row in phones_of(heard)]
    assert ids == list(range(1, len(ids) + 1)), "no verdict is skipped, none comes twice"
    assert len(ids) in phones


async def until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def metrics(http: aiohttp.ClientSession, running: Running) -> str:
    return await (await http.get(f"{running.url}metrics")).text()


def decoded(recording: Recording) -> Pcm:
    """What the server makes of the packets, float32[n] at 16 kHz."""
    decoder, resampler = OpusDecoder(), Resampler(48_000)
    pieces = [decoder.decode(packet) for packet in recording.packets]
    return np.concatenate([resampler.push(np.concatenate([p for p in pieces if p is not None])), resampler.flush()])


@pytest.fixture(scope="session")
def tone() -> Recording:
    """A second of a tone, then 0.3 s of silence: 12 or 13 phones of a toy line."""
    t = np.arange(16_000) / 16_000
    return encode_recording((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 0.3)


PHONES = range(12, 15)


async def test_a_recitation_comes_back_as_feedback_and_summary(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciting = asyncio.create_task(SocketReciter(http, running.url, "112", tone).recite())
    await running.sessions(1)
    assert 'talaqqi_sessions{transport="websocket"} 1' in await metrics(http, running)
    heard = await reciting
    assert heard.welcome is not None and heard.welcome.verses == "112" and heard.welcome.engine == "toy"
    check_feedback(heard, PHONES)
    assert 15 <= len(heard.feedback) <= 18
    assert sum(isinstance(message, Pong) for _, message in heard.control) >= 4
    assert heard.summary is not None and heard.summary.accepted >= 2
    await running.sessions(0)
    text = await metrics(http, running)
    assert 'talaqqi_sessions_ended_total{reason="left"} 1' in text
    assert f"talaqqi_rtp_packets_total {len(tone.packets)}" in text
    assert 'talaqqi_sessions{transport="websocket"} 0' in text
    assert 'talaqqi_connect_seconds_count{transport="websocket"} 1' in text


async def test_the_same_packets_get_the_same_verdicts_whatever_carries_them(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Live, "lead_in", lambda live, samples, arrival: 0)  # Else hops begin where the beat is.
    running = await start_server()
    webrtc, opus, pcm = await asyncio.gather(
        Reciter(http, running.url, "112", tone).recite(),
        SocketReciter(http, running.url, "112", tone).recite(),
        SocketReciter(http, running.url, "112", pcm_frames(decoded(tone), 1000)).recite(),
    )
    assert told_apart(webrtc) == told_apart(opus) == told_apart(pcm)
    assert len(phones_of(opus)) in PHONES
    assert len(phones_of(webrtc)) > 2 * len(phones_of(opus)), "TCP loses none, so none is repeated"
    assert webrtc.summary is not None and webrtc.summary == opus.summary == pcm.summary


async def carry(
    start_server: StartServer, http: aiohttp.ClientSession, engine: OnnxEngine, verses: str, pcm: Pcm
) -> tuple[Heard, Heard, Heard]:
    """The same packets to the real line at once: over WebRTC, over a WebSocket, over one as PCM."""
    running = await start_server(ear=ear_of(engine, 3), capacity=3)
    recording = encode_recording(pcm, 1.0)
    return await asyncio.gather(
        Reciter(http, running.url, verses, recording).recite(),
        SocketReciter(http, running.url, verses, recording).recite(),
        SocketReciter(http, running.url, verses, pcm_frames(decoded(recording))).recite(),
    )


def check_same(webrtc: Heard, opus: Heard, pcm: Heard, *, moved: int) -> None:
    """Rounding to 16 bits is heard in a few scores, so that of PCM's words `moved` may be judged otherwise."""
    assert told_apart(webrtc) == told_apart(opus), "to the last digit: the same packets"
    assert webrtc.summary is not None and opus.summary is not None and pcm.summary is not None
    assert webrtc.summary.words == opus.summary.words
    pairs = zip(pcm.summary.words, opus.summary.words, strict=True)
    assert sum((ours.at, ours.status) != (theirs.at, theirs.status) for ours, theirs in pairs) <= moved


async def test_a_made_recitation_gets_the_same_verdicts_word_for_word(
    start_server: StartServer,
    http: aiohttp.ClientSession,
    make: Callable[..., MadeRecitation],
    engine: OnnxEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Live, "lead_in", lambda live, samples, arrival: 0)
    made = make("112:1", errors=("back:112:1:4=1",))
    heard = await carry(start_server, http, engine, "112:1", made.pcm)
    check_same(*heard, moved=0)
    assert len(words_of(heard[1])) >= 3


async def test_a_real_recitation_gets_the_same_verdicts_word_for_word(
    start_server: StartServer,
    http: aiohttp.ClientSession,
    recordings: Path,
    engine: OnnxEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Live, "lead_in", lambda live, samples, arrival: 0)
    clips = (clip for clip in development(recordings) if clip.start < 500_000 and 24_000 < (clip.samples or 0) < 64_000)
    ((clip, pcm),) = load_clips([next(clips)])
    heard = await carry(start_server, http, engine, clip.verses[0], pcm)
    check_same(*heard, moved=1)
    assert words_of(heard[1])


async def test_frames_left_out_are_made_up_and_shift_nothing(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    network = Network(loss=0.1, seed=1)
    heard = await SocketReciter(http, running.url, "112", tone, network=network).recite()
    assert network.dropped >= 3
    check_feedback(heard, PHONES)
    assert running.server.metrics.lost_packets.value == network.dropped
    assert running.server.metrics.concealed_packets.value == pytest.approx(network.dropped, abs=1.5)


async def test_bad_frames_of_every_kind_are_answered_and_the_session_goes_on(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    other = asyncio.create_task(SocketReciter(http, running.url, "112", tone).recite())
    vandal = SocketReciter(http, running.url, "112", tone)
    await vandal.connect()
    vandal.begin()
    frames = [b"", b"\x00", b"\x07abc", b"\x01", b"\x01" + bytes(6), opus_frame(0, 0, b"\xff"), b"\x02" + bytes(5)]
    frames += [b"\x02" + bytes(30_000), opus_frame(0, 0, b"\xf8" * 20_000), encode(Ping(1, 7)).encode()]
    await until(lambda: bool(vandal.heard.feedback))
    frames.append(b"\x02" + bytes(644))  # Good, were there no Opus before it.
    texts = ["", "{", "[]", '{"v":1,"type":"drop_table"}', '{"v":2,"type":"ping","t":1}', "\x00", "[" * 2000]
    for data in [*frames, *texts, "x" * 20_000, '{"v":1,"type":"ping","t":7}']:
        vandal.send_raw(data)
    await until(lambda: any(isinstance(message, Pong) for _, message in vandal.heard.control))
    assert errors(vandal.heard) == ["bad_frame"] * len(frames) + ["bad_message"] * len(texts) + ["too_large"]
    assert running.server.metrics.bad_messages.value == len(frames) + len(texts) + 1
    await vandal.microphone.done.wait()
    await vandal.finish()
    await vandal.close()
    check_feedback(vandal.heard, PHONES)
    check_feedback(await other, PHONES)


async def test_too_many_bad_frames_end_the_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(bad_messages=10)
    vandal = SocketReciter(http, running.url, "112", tone)
    await vandal.connect()
    for _ in range(30):
        vandal.send_raw(b"garbage")
    await running.sessions(0)
    assert vandal.socket is not None
    await until(lambda: vandal._gone.is_set())
    assert errors(vandal.heard)[-1] == "bad_messages" and errors(vandal.heard).count("bad_frame") >= 10
    assert vandal.socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
    assert running.server.metrics.ended["bad_messages"].value == 1
    await vandal.close()


async def test_a_message_too_long_to_be_read_ends_the_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    vandal = SocketReciter(http, running.url, "112", tone)
    await vandal.connect()
    vandal.send_raw(bytes(100_000))
    await running.sessions(0)
    assert vandal.socket is not None
    await until(lambda: vandal._gone.is_set())
    assert vandal.socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    await vandal.close()


async def test_a_flood_is_read_slowly_and_hurts_nobody(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    vandal = SocketReciter(http, running.url, "112", tone)
    await vandal.connect()
    other = asyncio.create_task(SocketReciter(http, running.url, "112", tone).recite())
    begun = time.monotonic()
    for _ in range(5000):
        vandal.send(Ping(1, 7))
    check_feedback(await other, PHONES)
    pongs = sum(isinstance(message, Pong) for _, message in vandal.heard.control)
    assert 300 <= pongs <= 301 + 200 * (time.monotonic() - begun)
    await running.stop()
    await vandal.close()


async def test_a_reader_that_stops_reading_is_not_waited_for(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(stuck_s=0.5, resume_s=0)
    async with http.ws_connect(f"{running.url}ws?verses=3") as deaf:
        connection = deaf._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.pause_reading()
        figures = running.server.metrics
        await deaf.send_str(encode(Stop(1)))  # A third of a megabyte of summary fills the buffers.
        await deaf.send_str(encode(Passage(1, "3")))
        frames = enumerate(cycle(tone.packets))
        while figures.feedback_skipped.value < 5:
            for n, packet in islice(frames, 4):
                await deaf.send_bytes(opus_frame(n * 960, n, packet))
            await asyncio.sleep(0.05)
        assert figures.feedback.value <= 1
        begun = time.monotonic()
        while figures.sessions.value:
            await deaf.send_str(encode(Stop(1)))
            await asyncio.sleep(0.1)
            assert time.monotonic() - begun < 10
        connection.transport.abort()
    assert running.server.metrics.ended["stuck"].value == 1
    assert running.encoder.taken == set()


async def test_a_summary_longer_than_the_buffer_reaches_who_reads_slowly(
    start_server: StartServer, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "CONTROL_BUFFERED_BYTES", 50_000)
    running = await start_server(stuck_s=3.0)
    async with http.ws_connect(f"{running.url}ws?verses=3") as slow:
        connection = slow._response.connection
        assert connection is not None and connection.transport is not None
        connection.transport.pause_reading()
        await slow.send_str(encode(Stop(1)))
        (live,) = running.server.register.of_class("open")
        (transport,) = (s.transport for s in running.server._reception.sessions.values())
        await until(lambda: transport.waiting_bytes > 50_000)
        await asyncio.sleep(0.5)
        assert not live.over
        connection.transport.resume_reading()
        await slow.send_str(encode(Ping(1, 7)))
        kinds = [type(decode_server(await slow.receive_str(timeout=5))) for _ in range(4)]
        assert kinds == [Welcome, Listened, SummaryMessage, Pong]


async def refusal(http: aiohttp.ClientSession, running: Running, query: str = "verses=112", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect(f"{running.url}ws?{query}", headers=named)
    return caught.value.status


async def test_who_may_not_recite_is_told_so_before_there_is_a_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(tokens=frozenset({"key"}), secret=SECRET, capacity=1)
    teacher = mint(SECRET, Role.TEACHER, sub="t", classes=("boys",), now=time.time(), life_s=60)
    assert await refusal(http, running) == 401
    assert await refusal(http, running, Authorization="Bearer guess") == 401
    assert await refusal(http, running, Authorization=f"Bearer {teacher}") == 403
    assert await refusal(http, running, Sec_WebSocket_Protocol="talaqqi.v1, bearer.guess") == 401
    assert await refusal(http, running, Sec_WebSocket_Protocol="bearer.key") == 400
    assert (await http.get(f"{running.url}ws?verses=112")).status == 400
    once = (await (await http.post(f"{running.url}api/tokens", headers={"Authorization": "Bearer key"})).json())[
        "token"
    ]
    assert await refusal(http, running, "verses=115", Authorization=f"Bearer {once}") == 400
    async with http.ws_connect(f"{running.url}ws?verses=112", protocols=(SUBPROTOCOL, BEARER + once)) as ws:
        assert ws.protocol == SUBPROTOCOL, "the token is not sent back"
        assert '"welcome"' in await ws.receive_str(timeout=5)
        assert await refusal(http, running, Authorization=f"Bearer {once}") == 401, "used"
        with pytest.raises(ReciterError, match="503 Service Unavailable"):
            await SocketReciter(http, running.url, "112", tone, token="key").connect()
    await running.sessions(0)
    assert running.encoder.taken == set()


async def test_a_page_of_another_site_recites_where_it_may_call_the_api(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    running = await start_server(origins=frozenset({"https://school.example"}))
    for origin in ("https://evil.example", "null"):
        assert await refusal(http, running, Origin=origin) == 403
    for origin in (running.url.rstrip("/"), "https://school.example"):
        async with http.ws_connect(f"{running.url}ws?verses=112", headers={"Origin": origin}) as ws:
            assert '"welcome"' in await ws.receive_str(timeout=5)
    running = await start_server()
    async with http.ws_connect(f"{running.url}ws?verses=112", headers={"Origin": "https://any.example"}) as ws:
        assert '"welcome"' in await ws.receive_str(timeout=5)


async def test_an_address_that_asks_too_often_is_refused(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    running = await start_server(proxied=True, posts_per_minute=1)
    assert await refusal(http, running, "verses=x", X_Forwarded_For="198.51.100.7") == 400
    assert await refusal(http, running, X_Forwarded_For="198.51.100.7") == 429


async def test_another_passage_in_the_same_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = SocketReciter(http, running.url, "112", tone)
    await reciter.connect()
    reciter.begin()
    await asyncio.sleep(0.5)
    reciter.send(Passage(1, "113:1-2"))
    await reciter.microphone.done.wait()
    await reciter.finish()
    welcomes = [message for _, message in reciter.heard.control if isinstance(message, Welcome)]
    assert [welcome.verses for welcome in welcomes] == ["112", "113:1-2"]
    rows = phones_of(reciter.heard)
    assert [row.id for row in rows] == list(range(1, len(rows) + 1)), "ids go on"
    surahs = [row.at.split(":")[0] for row in rows]
    assert surahs == sorted(surahs) and set(surahs) == {"112", "113"}
    assert reciter.heard.summary is not None and reciter.heard.summary.verses == "113:1-2"
    await reciter.close()


KILLED = """
import asyncio, sys
import aiohttp, numpy as np
from server.reciter import encode_recording
from server.socket_reciter import SocketReciter
async def main():
    noise = np.random.default_rng(1).normal(0, 0.2, 160000).astype(np.float32)
    async with aiohttp.ClientSession() as http:
        reciter = SocketReciter(http, sys.argv[1], "112", encode_recording(noise))
        await reciter.connect()
        reciter.begin()
        while not reciter.heard.feedback:
            await asyncio.sleep(0.02)
        print("reciting", flush=True)
        await asyncio.sleep(30)
asyncio.run(main())
"""


async def test_a_client_killed_mid_word_frees_its_place(start_server: StartServer) -> None:
    running = await start_server(capacity=1, resume_s=0)
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, running.url, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert client.stdout is not None
        async with asyncio.timeout(30):
            assert await client.stdout.readline() == b"reciting\n"
    finally:
        client.send_signal(signal.SIGKILL)
        await client.wait()
    await running.sessions(0, within_s=3)
    assert running.server.metrics.ended["failed"].value == 1
    assert running.encoder.taken == set()


async def test_a_client_that_falls_silent_is_gone(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    """As when its network is: nothing tells the server."""
    running = await start_server(ping_timeout_s=0.5, resume_s=0)
    async with http.ws_connect(f"{running.url}ws?verses=112") as ws:
        await ws.send_str(encode(Ping(1, 7)))
        await ws.send_bytes(opus_frame(0, 0, tone.packets[0]))
        await running.sessions(0, within_s=4)
    assert running.server.metrics.ended["gone"].value == 1


async def test_silence_is_told_and_then_ends_the_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(audio_notice_s=0.3, audio_close_s=1.0)
    reciter = SocketReciter(http, running.url, "112", tone)
    await reciter.connect()
    await running.sessions(0)
    await until(lambda: reciter._gone.is_set())
    assert [message.state for _, message in reciter.heard.control if isinstance(message, Audio)] == ["missing"]
    assert errors(reciter.heard) == ["no_audio"]
    await reciter.close()


async def test_stopping_the_server_ends_its_sessions(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = SocketReciter(http, running.url, "112", tone)
    await reciter.connect()
    reciter.begin()
    async with http.ws_connect(f"{running.url}ws?verses=112"):  # It takes no part in closing.
        begun = time.monotonic()
        await running.stop()
        assert time.monotonic() - begun < 4
    assert running.server.metrics.ended["shutdown"].value == 2
    assert running.encoder.taken == set()
    assert errors(reciter.heard) == ["shutdown"]
    assert reciter.socket is not None and reciter.socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
    await reciter.close()


async def test_a_teacher_sees_it_as_any_other(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = SocketReciter(http, running.url, "112", tone)
    await reciter.connect()
    reciter.begin()
    seen: list[WatchMessage] = []
    tiles: dict[str, Tile] = {}
    async with http.ws_connect(f"{running.url}watch?class=open") as teacher:

        async def see() -> WatchMessage:
            seen.append(decode_watch(await teacher.receive_str(timeout=5)))
            if isinstance(seen[-1], Snapshot | Tiles):
                tiles.update({tile.session: tile for tile in seen[-1].sessions})
            return seen[-1]

        await see()
        (session,) = tiles
        await teacher.send_str(encode_watch(Open(1, session)))
        await teacher.send_str(encode_watch(TeacherRemark(1, session, "أعد", "112:1:1")))
        while not isinstance(told := await see(), Told):
            pass
        assert told.reached
        await reciter.microphone.done.wait()
        await reciter.finish()
        await reciter.close()
        while not (isinstance(news := await see(), Tiles) and session in news.gone):
            pass
    rows = {row.id: row for message in seen if isinstance(message, Rows) for row in message.phones}
    assert rows == {row.id: row for row in phones_of(reciter.heard)}, "the teacher sees every row that the student does"
    assert Remark("أعد", "112:1:1") in [message for _, message in reciter.heard.control]
    assert reciter.heard.summary is not None and tiles[session].accepted == reciter.heard.summary.accepted >= 2


async def test_the_probe_measures_it(start_server: StartServer, capsys: pytest.CaptureFixture[str]) -> None:
    running = await start_server()
    parser = argparse.ArgumentParser()
    probe.add_arguments(parser)
    sample = ROOT / "static" / "samples" / "2.opus"
    options = [running.url, "--audio", str(sample), "--verses", "112", "--seconds", "1", "--json"]
    options += ["--transport", "websocket"]
    assert await asyncio.to_thread(probe.run, parser.parse_args(options)) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["way"] == "websocket" and report["errors"] == [] and report["broken"] == 0
    assert report["packets"]["sent"] == 151 and report["feedback"]["received"] == report["feedback"]["sent"] >= 36
    assert report["transport"]["n"] >= 34 and report["transport"]["missing"] == 0
    assert report["connect"]["p50"] > 0
    with pytest.raises(ConfigError, match="is for WebRTC"):
        probe.run(parser.parse_args([*options, "--jitter-ms", "20"]))


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.floats(0.01, 0.2)), min_size=1, max_size=50))
def test_nothing_is_taken_faster_than_the_pace(arrivals: list[tuple[float, float]]) -> None:
    now = [0.0]
    pace = Pace(2.0, 3.0, lambda: now[0])
    taken = 0.0
    for after, cost in arrivals:
        now[0] += after
        taken += cost
        now[0] += pace.wait(cost)
        assert taken <= 3.0 + 2.0 * now[0] + 1e-9


def test_who_keeps_the_pace_never_waits() -> None:
    now = [0.0]
    pace = Pace(2.0, 3.0, lambda: now[0])
    waits = []
    for n in range(1000):
        now[0] = 0.02 * n
        waits.append(pace.wait(0.02))
        if n % 12 == 0:
            waits.append(pace.wait(0.01))
    assert set(waits) == {0.0}


def test_verdicts_are_in_one_message_where_none_is_lost() -> None:
    tail = FeedbackTail(repeats=False)
    stamps = Stamps(1.0, 2.0, 3.0)
    sent: list[int] = []
    for hop in range(6):
        verdicts = [PhoneVerdict("112:1:1", 0, "ق", 0, 1, 0.9, None)] * (0, 1, 40, 0, 2, 0)[hop]
        update = Update(hop * 1280, None, (), (), True, -20.0, Following.FOLLOWING)
        tail.update(verdicts, ())
        if hop == 1:
            continue  # Skipped, as too much was waiting.
        for text in tail.messages(update, 0, stamps):
            message = decode_server(text)
            assert isinstance(message, Feedback)
            sent += [row.id for row in message.phones]
    assert sorted(sent) == list(range(1, 44)) and len(set(sent)) == len(sent)
