"""Sessions over real WebRTC: what a client gets, and what it cannot do to others."""

import asyncio
import signal
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from toy_ear import StartServer, ToyLine

from recitation.tajweed.moshaf import Moshaf
from server.messages import Audio, Error, Pong, Welcome, encode
from server.reciter import Heard, Network, Reciter, ReciterError, Recording

ROOT = Path(__file__).parent.parent.parent


def errors(heard: Heard) -> list[str]:
    return [message.code for _, message in heard.control if isinstance(message, Error)]


def check_feedback(heard: Heard, phones: range) -> None:
    """All is in order: times, numbers, verdicts once each."""
    messages = [message for _, message in heard.feedback]
    first = heard.network.first_rtp
    assert first is not None
    # The session's clock begins 48 samples and up to three packets before the first packet.
    lead = (messages[0].sample - (messages[0].rtp - first) // 3) % 2**30
    assert lead in (48, 368, 688, 1008)
    for message in messages:
        assert message.rtp == (first + (message.sample - lead) * 3) & 0xFFFFFFFF
        assert message.stamps.rx_ms <= message.stamps.encoded_ms <= message.stamps.sent_ms
        assert len(encode(message).encode()) < 1100
    rows = {row.id: row for message in messages for row in message.phones}
    assert sorted(rows) == list(range(1, len(rows) + 1)), "no verdict is skipped"
    assert len(rows) in phones


async def test_a_recitation_comes_back_as_feedback_and_summary(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    heard = await Reciter(http, running.url, "112", tone).recite()
    assert heard.welcome is not None and heard.welcome.verses == "112" and heard.welcome.engine == "toy"
    check_feedback(heard, range(24, 28))
    assert 28 <= len(heard.feedback) <= 32
    pongs = [message for _, message in heard.control if isinstance(message, Pong)]
    assert len(pongs) >= 8 and pongs[-1].seq >= 25
    assert heard.summary is not None and heard.summary.accepted >= 4 and heard.summary.words[0].at == "112:1:1"
    assert 2.3 < heard.summary.seconds < 2.6
    await running.sessions(0)
    metrics = await (await http.get(f"{running.url}metrics")).text()
    assert 'talaqqi_sessions_ended_total{reason="left"} 1' in metrics
    assert "talaqqi_rtp_packets_total 12" in metrics


async def test_loss_costs_no_verdict_and_no_delay(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    clean = await Reciter(http, running.url, "112", tone).recite()
    network = Network(loss=0.05, jitter_s=0.015, seed=5)
    lossy = await Reciter(http, running.url, "112", tone, network=network).recite()
    assert network.dropped >= 3
    check_feedback(lossy, range(23, 28))
    # One more or less for the loss, and one for where in the beat the sessions happened to begin.
    assert abs(len(lossy.feedback) - len(clean.feedback)) <= 2
    assert running.server.metrics.lost_packets.value == network.dropped
    assert running.server.metrics.concealed_packets.value == pytest.approx(network.dropped, abs=1.5)


async def test_sessions_share_encoder_steps_and_nothing_else(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(gather_s=0.04)
    async with asyncio.TaskGroup() as tasks:
        recitals = [tasks.create_task(Reciter(http, running.url, "112", tone).recite()) for _ in range(4)]
    for recital in recitals:
        check_feedback(recital.result(), range(23, 28))
    assert max(running.encoder.steps) > 1
    await running.sessions(0)
    assert running.encoder.taken == set()


async def test_garbage_on_control_is_answered_and_hurts_nobody(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    other = asyncio.create_task(Reciter(http, running.url, "112", tone).recite())
    vandal = Reciter(http, running.url, "112", tone)
    await vandal.connect()
    garbage: list[str | bytes] = ["", "{", "null", "[]", "{}", '{"v":1}', '{"v":1,"type":"drop_table"}', b"\xff\x00"]
    garbage += ['{"v":2,"type":"ping","t":1}', '{"v":1,"type":"ping","t":"now"}', '{"v":1,"type":"ping","t":1e999}']
    garbage += ['{"v":1,"type":"passage","verses":"' + "1" * 4000 + '"}', "[" * 2000]
    for message in garbage:
        vandal.control.send(message)
    vandal.control.send('{"v":1,"type":"passage","verses":"115"}')
    vandal.control.send('{"v":1,"type":"ping","t":7}')
    async with asyncio.timeout(5):
        while not any(isinstance(message, Pong) for _, message in vandal.heard.control):
            await asyncio.sleep(0.02)
        while "bad_passage" not in errors(vandal.heard):
            await asyncio.sleep(0.02)
    assert errors(vandal.heard).count("bad_message") == len(garbage)
    check_feedback(await other, range(23, 28))
    await vandal.close()


async def test_a_megabyte_message_is_refused_and_the_session_goes_on(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    vandal = Reciter(http, running.url, "112", tone)
    other = asyncio.create_task(Reciter(http, running.url, "112", tone).recite())
    await vandal.connect()
    vandal.begin()
    with pytest.raises(ValueError, match="only supports messages up to 16384"):
        vandal.control.send("x" * 1_000_000)
    # One that does not keep to what was agreed.
    vandal.peer.sctp._remote_max_message_size = 0
    vandal.control.send("x" * 1_000_000)
    async with asyncio.timeout(10):
        while "too_large" not in errors(vandal.heard):
            await asyncio.sleep(0.02)
    vandal.control.send('{"v":1,"type":"ping","t":7}')
    async with asyncio.timeout(5):
        while not any(isinstance(message, Pong) for _, message in vandal.heard.control):
            await asyncio.sleep(0.02)
    check_feedback(await other, range(23, 28))
    assert len(vandal.heard.feedback) > 20
    await vandal.close()


async def test_a_flood_of_garbage_ends_the_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(bad_messages=10)
    vandal = Reciter(http, running.url, "112", tone)
    await vandal.connect()
    for _ in range(30):
        vandal.control.send("garbage")
    await running.sessions(0)
    assert "bad_messages" in running.server.metrics.ended
    await vandal.close()


async def test_another_passage_in_the_same_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    reciter.begin()
    await asyncio.sleep(0.8)
    reciter.control.send('{"v":1,"type":"passage","verses":"113:1-2"}')
    await reciter.microphone.done.wait()
    await reciter.finish()
    welcomes = [message for _, message in reciter.heard.control if isinstance(message, Welcome)]
    assert [welcome.verses for welcome in welcomes] == ["112", "113:1-2"]
    rows = {row.id: row for _, message in reciter.heard.feedback for row in message.phones}
    assert sorted(rows) == list(range(1, len(rows) + 1)), "ids go on"
    surahs = [row.at.split(":")[0] for _, row in sorted(rows.items())]
    assert surahs == sorted(surahs) and set(surahs) == {"112", "113"}
    assert reciter.heard.summary is not None and reciter.heard.summary.verses == "113:1-2"
    await reciter.close()


async def test_other_settings_of_the_reading_hold_at_once_and_for_the_next_passage(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    ToyLine.read.clear()
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    reciter.begin()
    reciter.control.send('{"v":1,"type":"reading","moshaf":"munfasil=9"}')
    reciter.control.send('{"v":1,"type":"reading","moshaf":"munfasil=5,muttasil=5"}')
    await asyncio.sleep(0.4)
    reciter.control.send('{"v":1,"type":"passage","verses":"113"}')
    await reciter.microphone.done.wait()
    await reciter.finish()
    assert errors(reciter.heard) == ["bad_reading"]
    (first, now), (second, kept) = ToyLine.read
    assert second > first
    assert now == kept == Moshaf(munfasil=5, muttasil=5)
    await reciter.close()


async def test_silence_is_told_and_then_ends_the_session(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(audio_notice_s=0.3, audio_close_s=3.2, ping_timeout_s=60.0)
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    await asyncio.sleep(0.6)
    reciter.begin()
    await running.sessions(0)
    async with asyncio.timeout(2):
        while "no_audio" not in errors(reciter.heard):
            await asyncio.sleep(0.02)
    states = [message.state for _, message in reciter.heard.control if isinstance(message, Audio)]
    assert states == ["missing", "flowing", "missing"]
    assert running.server.metrics.ended["no_audio"].value == 1
    await reciter.close()


async def test_an_offer_never_followed_up_is_forgotten(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(connect_deadline_s=0.3, capacity=1)
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.peer.setLocalDescription(await reciter.peer.createOffer())
    await reciter._post(reciter.peer.localDescription.sdp)
    assert running.server.metrics.sessions.value == 1
    await running.sessions(0, within_s=3)
    assert running.server.metrics.ended["no_connection"].value == 1
    await reciter.peer.close()


KILLED = """
import asyncio, sys
import aiohttp, numpy as np
from server.reciter import Reciter, encode_recording
async def main():
    noise = np.random.default_rng(1).normal(0, 0.2, 160000).astype(np.float32)
    async with aiohttp.ClientSession() as http:
        reciter = Reciter(http, sys.argv[1], "112", encode_recording(noise))
        await reciter.connect()
        reciter.begin()
        asyncio.get_running_loop().create_task(reciter._ping())
        while not any(message.words for _, message in reciter.heard.feedback):
            await asyncio.sleep(0.02)
        print("reciting", flush=True)
        await asyncio.sleep(30)
asyncio.run(main())
"""


async def test_a_client_killed_mid_word_frees_its_place_and_hurts_nobody(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(ping_timeout_s=0.7, capacity=2, resume_s=0)
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, running.url, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert client.stdout is not None
        async with asyncio.timeout(30):
            assert await client.stdout.readline() == b"reciting\n"
        other = asyncio.create_task(Reciter(http, running.url, "112", tone).recite())
        await asyncio.sleep(0.5)
    finally:
        client.send_signal(signal.SIGKILL)
        await client.wait()
    killed = time.monotonic()
    async with asyncio.timeout(5):
        while "gone" not in running.server.metrics.ended:
            await asyncio.sleep(0.02)
    assert time.monotonic() - killed < 3
    check_feedback(await other, range(23, 28))
    await running.sessions(0)
    assert running.encoder.taken == set()


async def test_full_is_refused_until_somebody_leaves(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(capacity=1)
    first = Reciter(http, running.url, "112", tone)
    await first.connect()
    second = Reciter(http, running.url, "112", tone)
    with pytest.raises(ReciterError, match=r"503 .*all 1 places are taken"):
        await second.connect()
    assert (await http.get(f"{running.url}readyz")).headers["Retry-After"] == "5"
    first.begin()
    await first.microphone.done.wait()
    check_feedback(first.heard, range(23, 28))
    await first.close()
    await running.sessions(0)
    third = Reciter(http, running.url, "112", tone)
    await third.connect()
    await third.close()
    await second.peer.close()


async def test_an_encoder_fault_ends_the_sessions_in_the_step_and_no_more(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    unlucky = Reciter(http, running.url, "112", tone)
    await unlucky.connect()
    running.encoder.fault = RuntimeError("out of order")
    unlucky.begin()
    await running.sessions(0)
    running.encoder.fault = None
    assert running.server.metrics.ended["fault"].value == 1
    assert "internal" in errors(unlucky.heard)
    check_feedback(await Reciter(http, running.url, "112", tone).recite(), range(23, 28))
    await unlucky.close()


async def test_stopping_the_server_ends_its_sessions(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = Reciter(http, running.url, "112", tone)
    await reciter.connect()
    reciter.begin()
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    await running.stop()
    assert time.monotonic() - begun < 3
    assert running.server.metrics.ended["shutdown"].value == 1
    assert running.encoder.taken == set()
    reciter.location = None
    await reciter.close()
