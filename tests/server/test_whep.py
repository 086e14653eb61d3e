"""Listening to a student over real connections: the very packets arrive, by consent, and cost the student nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtpPacket
from toy_ear import Running, StartServer
from yarl import URL

from server.messages import Consent, Listened
from server.reciter import PACKET_RTP, Client, Reciter, Recording
from server.roles import Role, mint
from server.rtp_tap import OpusDecoder
from server.socket_reciter import SocketReciter, pcm_frames

SECRET = "s" * 32
SDP = {"Content-Type": "application/sdp"}


def token(role: Role, *classes: str, life_s: float = 60, sub: str = "7") -> str:
    return mint(SECRET, role, sub=sub, classes=classes, name=f"{role} {sub}", now=time.time(), life_s=life_s)


STUDENT = token(Role.STUDENT, "boys", life_s=3600)
TEACHER = token(Role.TEACHER, "boys", life_s=3600)


@dataclass
class Listening:
    """A teacher's peer connection without the page."""

    http: aiohttp.ClientSession
    url: str
    bearer: str | None = TEACHER
    got: list[tuple[int, bytes]] = field(default_factory=list)
    """(RTP timestamp, payload) of every packet."""
    location: str | None = None

    def __post_init__(self) -> None:
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        receiver = self.peer.addTransceiver("audio", direction="recvonly").receiver

        async def keep(packet: RtpPacket, arrival_time_ms: int) -> None:
            self.got.append((packet.timestamp, packet.payload))

        receiver._handle_rtp_packet = keep  # type: ignore[method-assign]

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.bearer is None else {"Authorization": f"Bearer {self.bearer}"}

    async def post(self, session: str, **headers: str) -> aiohttp.ClientResponse:
        if self.peer.localDescription is None:
            await self.peer.setLocalDescription(await self.peer.createOffer())
        return await self.http.post(
            f"{self.url}whep/{session}",
            data=self.peer.localDescription.sdp.encode(),
            headers=SDP | self.headers | headers,
        )

    async def begin(self, session: str) -> None:
        """Listen, and wait until the connection stands."""
        await self.accept(await self.post(session))

    async def accept(self, response: aiohttp.ClientResponse) -> None:
        """The answer is here: wait until the connection stands."""
        assert response.status == 201, await response.text()
        self.location = str(response.url.join(URL(response.headers["Location"])))
        await self.peer.setRemoteDescription(RTCSessionDescription(await response.text(), "answer"))
        await until(lambda: self.peer.connectionState == "connected")

    async def vanish(self) -> None:
        """As a laptop that is closed: nothing is said, nothing is taken."""
        [transport] = {t.receiver.transport.transport for t in self.peer.getTransceivers()}
        for protocol in transport._connection._protocols:
            protocol.transport.abort()


async def until(true: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.02)


async def refusal(response: aiohttp.ClientResponse) -> tuple[int, str]:
    return response.status, (await response.json())["error"]


@asynccontextmanager
async def reciting(student: Client) -> AsyncIterator[str]:
    """The id of a session that is open until the end."""
    await student.connect()
    try:
        assert student.heard.welcome is not None
        yield student.heard.welcome.session
    finally:
        await student.close()


def told(student: Client) -> list[Listened]:
    return [message for _, message in student.heard.control if isinstance(message, Listened)]


@pytest.fixture
async def running(start_server: StartServer) -> Running:
    return await start_server(secret=SECRET, origins=frozenset({"https://school.example"}))


async def test_a_teacher_hears_the_very_packets_once_the_student_agrees(
    running: Running, http: aiohttp.ClientSession, tone: Recording
) -> None:
    student, teacher = Reciter(http, running.url, "112", tone, token=STUDENT), Listening(http, running.url)
    async with reciting(student) as session:
        await until(lambda: told(student) == [Listened(None, (), False)])
        status, why = await refusal(await teacher.post(session))
        assert (status, why) == (403, "the student has not agreed to be listened to yet, and is being asked")
        await until(lambda: told(student)[-1] == Listened(None, (), True))
        student.send(Consent(1, True))
        await until(lambda: told(student)[-1] == Listened(True, (), False))
        await teacher.begin(session)
        assert told(student)[-1] == Listened(True, ("teacher 7",), False)
        assert running.server.metrics.listeners.value == 1
        student.begin()
        await student.microphone.done.wait()
        await until(lambda: len(teacher.got) == len(tone.packets))
        assert [payload for _, payload in teacher.got] == list(tone.packets)
        first = teacher.got[0][0]
        steps = [(timestamp - first) & 0xFFFFFFFF for timestamp, _ in teacher.got]
        assert steps == [n * PACKET_RTP for n in range(len(tone.packets))]
        assert teacher.location is not None
        stranger = token(Role.TEACHER, "boys", sub="8")
        assert (await http.delete(teacher.location, headers={"Authorization": f"Bearer {stranger}"})).status == 401
        assert (await http.delete(teacher.location, headers=teacher.headers)).status == 200
        await until(lambda: told(student)[-1] == Listened(True, (), False))
        await until(lambda: running.server.metrics.listeners.value == 0)
        assert (await http.delete(teacher.location, headers=teacher.headers)).status == 404
        await until(lambda: teacher.peer.connectionState == "closed")
    assert len(student.heard.feedback) > 25


@pytest.mark.parametrize("kind", ["opus", "pcm"])
async def test_a_student_over_a_websocket_is_heard_too(
    running: Running, http: aiohttp.ClientSession, tone: Recording, kind: str
) -> None:
    t = np.arange(2 * 16_000) / 16_000
    pcm = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    sent = tone if kind == "opus" else pcm_frames(pcm)
    student = SocketReciter(http, running.url, "112", sent, token=STUDENT)
    teacher = Listening(http, running.url)
    async with reciting(student) as session:
        student.send(Consent(1, True))
        await until(lambda: bool(told(student)) and told(student)[-1].may is True)
        await teacher.begin(session)
        student.begin()
        await student.microphone.done.wait()
        count = len(tone.packets) if kind == "opus" else 100
        await until(lambda: len(teacher.got) == count)
        if kind == "opus":
            assert [payload for _, payload in teacher.got] == list(tone.packets)
        decoder = OpusDecoder()
        heard = [decoder.decode(payload) for _, payload in teacher.got]
        whole = np.concatenate([one for one in heard if one is not None])[48_000:90_000]
        spectrum = np.abs(np.fft.rfft(whole * np.hanning(len(whole))))
        assert abs(np.argmax(spectrum) * 48_000 / len(whole) - 440) < 3
    await until(lambda: running.server.metrics.listeners.value == 0)
    await teacher.peer.close()


async def test_consent_taken_back_ends_the_listening_at_once(
    running: Running, http: aiohttp.ClientSession, tone: Recording
) -> None:
    student, teacher = Reciter(http, running.url, "112", tone, token=STUDENT), Listening(http, running.url)
    async with reciting(student) as session:
        student.send(Consent(1, True))
        await until(lambda: bool(told(student)) and told(student)[-1].may is True)
        await teacher.begin(session)
        student.begin()
        await until(lambda: len(teacher.got) > 20)
        student.send(Consent(1, False))
        await until(lambda: told(student)[-1] == Listened(False, (), False))
        await until(lambda: running.server.metrics.listeners.value == 0)
        got = len(teacher.got)
        await student.microphone.done.wait()
        assert len(teacher.got) == got, "not a packet more"
        again = Listening(http, running.url)
        assert await refusal(await again.post(session)) == (403, "the student does not want to be listened to")
        await again.peer.close()
    assert len(student.heard.feedback) > 25
    await teacher.peer.close()


async def test_a_teacher_who_vanishes_costs_the_student_nothing(
    running: Running, http: aiohttp.ClientSession, tone: Recording
) -> None:
    student = Reciter(http, running.url, "112", tone, token=STUDENT)
    gone, there = Listening(http, running.url), Listening(http, running.url)
    async with reciting(student) as session:
        student.send(Consent(1, True))
        await until(lambda: bool(told(student)) and told(student)[-1].may is True)
        await gone.begin(session)
        await there.begin(session)
        student.begin()
        await until(lambda: len(gone.got) > 5)
        await gone.vanish()
        await student.microphone.done.wait()
        await until(lambda: len(there.got) == len(tone.packets))
        assert len(gone.got) < len(tone.packets)
        assert len(student.heard.feedback) > 25
    await until(lambda: running.server.metrics.listeners.value == 0)  # The end of the session ends all.
    for teacher in (gone, there):
        await teacher.peer.close()


async def test_who_may_not_listen_is_told_why(running: Running, http: aiohttp.ClientSession, tone: Recording) -> None:
    student = Reciter(http, running.url, "112", tone, token=STUDENT)
    async with reciting(student) as session:
        cases = [
            (None, session, {}, 401, "a bearer token is needed"),
            (STUDENT, session, {}, 403, "the token of this student is not for watching this student"),
            (token(Role.TEACHER, "girls"), session, {}, 403, "the token of this teacher is not for watching"),
            (TEACHER, "nobody", {}, 404, "there is no such session"),
            (TEACHER, session, {"Origin": "https://evil.example"}, 403, "pages of another site"),
            (TEACHER, session, {"Content-Type": "text/plain"}, 403, "has not agreed"),
            (TEACHER, session, {"Origin": "https://school.example"}, 403, "has not agreed"),
        ]
        for bearer, asked, headers, status, why in cases:
            teacher = Listening(http, running.url, bearer)
            got, said = await refusal(await teacher.post(asked, **headers))
            assert (got, why in said) == (status, True), (got, said)
            await teacher.peer.close()
        student.send(Consent(1, True))
        await until(lambda: told(student)[-1].may is True)
        offers = [(b"v=0", 422), (b"hello", 400)]
        for offer, status in offers:
            response = await http.post(
                f"{running.url}whep/{session}", data=offer, headers=SDP | {"Authorization": f"Bearer {TEACHER}"}
            )
            assert (await refusal(response))[0] == status
        await until(lambda: told(student)[-1].by == ())
    assert running.server.metrics.listeners.value == 0


@pytest.mark.parametrize("ended_by", ["the token's end", "never connecting"])
async def test_listening_ends_by_itself(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording, ended_by: str
) -> None:
    running = await start_server(secret=SECRET, connect_deadline_s=10.0 if ended_by == "the token's end" else 0.3)
    student = SocketReciter(http, running.url, "112", tone, token=STUDENT)
    teacher = Listening(http, running.url, token(Role.TEACHER, "boys", life_s=1.5))
    async with reciting(student) as session:
        student.send(Consent(1, True))
        await until(lambda: bool(told(student)) and told(student)[-1].may is True)
        if ended_by == "the token's end":
            await teacher.begin(session)
        else:
            assert (await teacher.post(session)).status == 201
        assert running.server.metrics.listeners.value == 1
        await until(lambda: running.server.metrics.listeners.value == 0, 5.0)
        assert told(student)[-1] == Listened(True, (), False)
    await teacher.peer.close()


async def test_candidates_of_a_listener_trickle(running: Running, http: aiohttp.ClientSession, tone: Recording) -> None:
    student, teacher = Reciter(http, running.url, "112", tone, token=STUDENT), Listening(http, running.url)
    async with reciting(student) as session:
        student.send(Consent(1, True))
        await until(lambda: bool(told(student)) and told(student)[-1].may is True)
        response = await teacher.post(session)
        place = f"{running.url}{response.headers['Location'].removeprefix('/')}"
        sdp = teacher.peer.localDescription.sdp
        lines = [line for line in sdp.splitlines() if line.startswith(("a=candidate", "a=ice-"))]
        headers = teacher.headers | {"Content-Type": "application/trickle-ice-sdpfrag"}
        data = "\r\n".join(lines).encode()
        assert (await http.patch(place, data=data, headers=headers)).status == 428
        tagged = headers | {"If-Match": response.headers["ETag"]}
        assert (await http.patch(place, data=data, headers=tagged)).status == 204
        options = await http.options(f"{running.url}whep/{session}", headers=teacher.headers)
        assert options.status == 204 and options.headers["Accept-Post"] == "application/sdp"
    await teacher.peer.close()
