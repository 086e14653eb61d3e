"""The HTTP side: what is refused and how, tokens, the page's files and the API."""

import asyncio
import json
import threading
from urllib.parse import urlsplit

import aiohttp
import pytest
from toy_ear import Running, StartServer, toy_ear

from recitation.retained import LineState
from server.ice import IceServer
from server.reciter import Reciter, ReciterError, Recording

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


async def refusal(response: aiohttp.ClientResponse) -> tuple[int, str]:
    """Status and reason of an error response."""
    assert response.content_type == "application/json"
    return response.status, (await response.json())["error"]


async def offer_of(reciter: Reciter) -> str:
    await reciter.peer.setLocalDescription(await reciter.peer.createOffer())
    sdp: str = reciter.peer.localDescription.sdp
    return sdp


async def test_what_is_no_offer_is_refused(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server(capacity=1)
    whip = f"{running.url}whip"
    assert (await refusal(await http.post(whip, data=b"v=0", headers={"Content-Type": "text/plain"})))[0] == 415
    for garbage in (b"", b"hello", b"\xff\xfe\x00", b'{"sdp": 1}'):
        assert (await refusal(await http.post(whip, data=garbage, headers=SDP)))[0] == 400
    assert (await refusal(await http.post(whip, data=b"v=0\r\n", headers=SDP)))[0] == 422
    assert (await refusal(await http.post(whip, data=b"v" * 70_000, headers=SDP)))[0] == 413
    assert (await refusal(await http.get(whip)))[0] == 405
    assert (await refusal(await http.get(f"{running.url}nothing")))[0] == 404
    assert running.server.metrics.sessions.value == 0


async def test_an_offer_that_only_aiortc_finds_bad_is_refused(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(capacity=1)
    offer = await offer_of(Reciter(http, running.url, "1", tone))
    for line in ("a=extmap:one two", "a=ssrc:many cname:x", "a=fmtp:7 x=1", "a=rtpmap:1e9 opus/48000"):
        broken = offer.replace("a=mid:0", f"a=mid:0\r\n{line}")
        status, why = await refusal(await http.post(f"{running.url}whip?verses=1", data=broken.encode(), headers=SDP))
        assert (status, "cannot be read" in why) == (400, True)
        await running.sessions(0)
    assert running.encoder.taken == set()


async def test_a_bad_address_is_refused(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    offer = await offer_of(Reciter(http, running.url, "1", tone))
    response = await http.post(f"{running.url}whip?verses=1:9", data=offer.encode(), headers=SDP)
    assert await refusal(response) == (400, "there is no ayah 1:9: surah 1 has 7 ayat")


async def test_an_offer_with_video_gets_audio_only_and_no_decoder(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = Reciter(http, running.url, "112", tone)
    post = reciter._post
    media: list[str] = []

    async def post_with_video(sdp: str) -> str:
        credentials = [line for line in sdp.splitlines() if line.startswith(("a=ice-", "a=fingerprint", "a=setup"))]
        video = ["m=video 9 UDP/TLS/RTP/SAVPF 97", "a=mid:v", "a=sendonly", "a=rtcp-mux", "a=rtpmap:97 VP8/90000"]
        offer = sdp.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0 1 v")
        answer = await post(offer + "\r\n".join([*video, *credentials[:4]]) + "\r\n")
        media.extend(line for line in answer.splitlines() if line.startswith(("m=", "a=group")))
        # aiortc, the client here, cannot read a rejected section, and did not offer this one.
        return answer[: answer.index("m=video")]

    reciter._post = post_with_video  # type: ignore[method-assign]
    await reciter.connect()
    assert [line.split()[0] for line in media] == ["a=group:BUNDLE", "m=audio", "m=application", "m=video"]
    assert media[0] == "a=group:BUNDLE 0 1" and media[3].split()[1] == "0", "rejected"
    assert not [thread for thread in threading.enumerate() if thread.name == "video-decoder"]
    await reciter.close()


async def test_candidates_trickle_by_the_rules(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server()
    reciter = Reciter(http, running.url, "112", tone)
    offer = await offer_of(reciter)
    # No candidates in the offer: they trickle.
    bare = "\r\n".join(line for line in offer.splitlines() if "candidate" not in line) + "\r\n"
    response = await http.post(f"{running.url}whip?verses=112", data=bare.encode(), headers=SDP)
    assert response.status == 201 and response.content_type == "application/sdp"
    assert response.headers["Location"].startswith("/whip/")
    session = f"{running.url}{response.headers['Location'][1:]}"
    etag = response.headers["ETag"]
    mine = [line for line in offer.splitlines() if line.startswith(("a=candidate", "a=ice-ufrag", "a=ice-pwd"))][:4]
    fragment = "\r\n".join([*mine, "a=mid:0", "a=end-of-candidates"]).encode()

    async def patch(data: bytes, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await http.patch(session, data=data, headers={**FRAGMENT, **named})).status

    assert await patch(fragment) == 428
    assert await patch(fragment, If_Match='"other"') == 412
    assert await patch(b"\x00garbage", If_Match=etag) == 400
    assert await patch(fragment, If_Match=etag, Content_Type="text/plain") == 415
    restart = b"a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    assert await patch(restart, If_Match="*") == 422
    assert await patch(fragment, If_Match=etag) == 204
    assert (await http.delete(session)).status == 200
    await running.sessions(0)
    assert (await http.delete(session)).status == 404
    assert await patch(fragment, If_Match=etag) == 404
    await reciter.peer.close()


async def test_options_say_what_may_be_posted(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    response = await http.options(f"{running.url}whip", headers={"Origin": "https://school.example"})
    assert response.status == 204
    assert response.headers["Accept-Post"] == "application/sdp"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "If-Match" in response.headers["Access-Control-Allow-Headers"]
    assert "ETag" in response.headers["Access-Control-Expose-Headers"]
    running = await start_server(origins=frozenset({"https://school.example"}))
    for origin, allowed in (("https://school.example", "https://school.example"), ("https://evil.example", None)):
        response = await http.get(f"{running.url}api/surahs", headers={"Origin": origin})
        assert response.headers.get("Access-Control-Allow-Origin") == allowed


async def test_tokens(start_server: StartServer, http: aiohttp.ClientSession, tone: Recording) -> None:
    running = await start_server(tokens=frozenset({"teacher"}))
    with pytest.raises(ReciterError, match=r"401 .*a bearer token is needed"):
        await Reciter(http, running.url, "112", tone).connect()
    with pytest.raises(ReciterError, match=r"401 .*not known here"):
        await Reciter(http, running.url, "112", tone, token="guess").connect()
    first = Reciter(http, running.url, "112", tone, token="teacher")
    second = Reciter(http, running.url, "112", tone, token="teacher")
    await first.connect()
    await second.connect()
    # A stranger can end nobody's session.
    assert first.location is not None
    assert (await http.delete(first.location)).status == 401
    for reciter in (first, second):
        await reciter.close()
    await running.sessions(0)


async def session_token(running: Running, http: aiohttp.ClientSession) -> str:
    response = await http.post(f"{running.url}api/tokens", headers={"Authorization": "Bearer teacher"})
    assert response.status == 201
    token: str = (await response.json())["token"]
    return token


async def test_a_session_token_is_good_once(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(tokens=frozenset({"teacher"}))
    assert (await http.post(f"{running.url}api/tokens")).status == 401
    token, other = await session_token(running, http), await session_token(running, http)
    assert (await http.post(f"{running.url}api/tokens", headers={"Authorization": f"Bearer {token}"})).status == 401
    first = Reciter(http, running.url, "112", tone, token=token)
    await first.connect()
    second = Reciter(http, running.url, "112", tone, token=token)
    response = await http.post(
        f"{running.url}whip",
        data=(await offer_of(second)).encode(),
        headers={**SDP, "Authorization": f"Bearer {token}"},
    )
    assert await refusal(response) == (401, "this session token has already been used; ask for a new one")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    # The first session does not suffer, and answers to its own token only.
    assert first.location is not None
    assert (await http.delete(first.location, headers={"Authorization": f"Bearer {other}"})).status == 401
    first.begin()
    await first.microphone.done.wait()
    assert len(first.heard.feedback) > 25
    assert (await http.delete(first.location, headers={"Authorization": f"Bearer {token}"})).status == 200
    first.location = None
    await first.close()
    await second.peer.close()


async def test_a_session_that_never_stood_gives_its_token_back(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(tokens=frozenset({"teacher"}))
    token = await session_token(running, http)
    headers = {"Authorization": f"Bearer {token}"}
    blocked = Reciter(http, running.url, "112", tone, token=token)
    offer = (await offer_of(blocked)).encode()
    response = await http.post(f"{running.url}whip?verses=112", data=offer, headers={**SDP, **headers})
    assert response.status == 201
    assert (await http.post(f"{running.url}whip?verses=112", data=offer, headers={**SDP, **headers})).status == 401
    place = f"{running.url}{response.headers['Location'].removeprefix('/')}"
    assert (await http.delete(place, headers=headers)).status == 200
    await running.sessions(0)
    through = Reciter(http, running.url, "112", tone, token=token)
    await through.connect()
    await through.close()
    await running.sessions(0)
    assert (await http.post(f"{running.url}whip?verses=112", data=offer, headers={**SDP, **headers})).status == 401, (
        "it stood"
    )
    await blocked.peer.close()


async def test_a_refused_session_does_not_use_its_token_up(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(tokens=frozenset({"teacher"}), capacity=1)
    first = Reciter(http, running.url, "112", tone, token="teacher")
    await first.connect()
    token = await session_token(running, http)
    with pytest.raises(ReciterError, match="503"):
        await Reciter(http, running.url, "112", tone, token=token).connect()
    await first.close()
    await running.sessions(0)
    second = Reciter(http, running.url, "112", tone, token=token)
    await second.connect()
    await second.close()


async def test_an_address_that_asks_too_often_is_told_when_to_come_back(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    running = await start_server(proxied=True, posts_per_minute=2, tokens=frozenset({"teacher"}))

    async def post(path: str, client: str) -> aiohttp.ClientResponse:
        headers = {**SDP, "X-Forwarded-For": client, "Authorization": "Bearer teacher"}
        return await http.post(f"{running.url}{path}", data=b"garbage", headers=headers)

    for _ in range(2):
        assert (await post("whip", "203.0.113.5, 198.51.100.7")).status == 400
    # What a client says of itself is not believed, and tokens count too.
    for path in ("whip", "api/tokens"):
        response = await post(path, "203.0.113.6, 198.51.100.7")
        assert await refusal(response) == (429, "2 requests a minute are taken from one address")
        assert 1 <= int(response.headers["Retry-After"]) <= 30
    assert (await post("whip", "203.0.113.5, 198.51.100.8")).status == 400
    assert running.server.metrics.refused["rate"].value == 2
    # This machine, unless it is told for whom it asks, is not limited.
    for _ in range(4):
        assert (await http.post(f"{running.url}whip", data=b"garbage", headers=SDP)).status == 401


async def test_clients_are_told_the_ice_servers(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    servers = (IceServer.parse("stun:stun.example"), IceServer.parse('turn:turn.example:3478?transport=udp me se"cret'))
    running = await start_server(ice_servers=servers, tokens=frozenset({"teacher"}))
    links = [
        '<stun:stun.example>; rel="ice-server"',
        '<turn:turn.example:3478?transport=udp>; rel="ice-server"; username="me"; credential="se\\"cret"; '
        'credential-type="password"',
    ]
    bearer = {"Authorization": f"Bearer {await session_token(running, http)}"}
    assert (await http.options(f"{running.url}whip")).headers.getall("Link", []) == []
    response = await http.options(f"{running.url}whip", headers=bearer)
    assert response.headers.getall("Link") == links
    reciter = Reciter(http, running.url, "112", tone)
    offer = await offer_of(reciter)
    response = await http.post(f"{running.url}whip?verses=112", data=offer.encode(), headers={**SDP, **bearer})
    assert response.status == 201, "asking for the servers did not use the token up"
    assert response.headers.getall("Link") == links
    await reciter.peer.close()


async def test_both_of_two_at_once_do_not_get_in_on_one_token(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(tokens=frozenset({"teacher"}))
    token = await session_token(running, http)
    reciters = [Reciter(http, running.url, "112", tone, token=token) for _ in range(3)]
    outcomes = await asyncio.gather(*(reciter.connect() for reciter in reciters), return_exceptions=True)
    assert sorted(outcome is None for outcome in outcomes) == [False, False, True]
    for reciter in reciters:
        await reciter.close()


async def test_a_busy_encoder_takes_no_more(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    running = await start_server(busy_limit=0.0)
    first = Reciter(http, running.url, "112", tone)
    await first.connect()
    first.begin()
    while not first.heard.feedback:
        await asyncio.sleep(0.02)
    with pytest.raises(ReciterError, match=r"503 .*the encoder is busy"):
        await Reciter(http, running.url, "112", tone).connect()
    assert running.server.metrics.refused["slow"].value == 1
    await first.close()


async def test_the_page_and_its_files(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    page = await http.get(running.url)
    assert page.status == 200 and page.content_type == "text/html"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for path, kind, encoding in (
        ("js/main.js", "text/javascript", "gzip"),
        ("css/page.css", "text/css", "gzip"),
        ("fonts/amiri-quran.woff2", "font/woff2", None),
        ("samples/1.opus", "audio/ogg", None),
        ("icon.svg", "image/svg+xml", None),
    ):
        response = await http.get(f"{running.url}static/{path}", headers={"Accept-Encoding": "gzip"})
        assert (response.status, response.content_type) == (200, kind)
        assert response.headers.get("Content-Encoding") == encoding
        assert await response.read() == (running.server.config.static / path).read_bytes()
    unchanged = {"If-None-Match": response.headers["ETag"]}
    assert (await http.get(f"{running.url}static/icon.svg", headers=unchanged)).status == 304
    for path in ("..%2fpyproject.toml", "%2e%2e/server/app.py", "js", "nothing.js", "..%5c..%5cetc"):
        async with http.get(f"{running.url}static/{path}") as response:
            assert response.status == 404


async def test_an_unchanged_file_costs_its_headers_and_nothing_more(start_server: StartServer) -> None:
    running = await start_server()
    address = urlsplit(running.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    asked = (
        f"GET /static/js/main.js HTTP/1.1\r\nHost: {address.netloc}\r\nAccept-Encoding: gzip\r\n"
        "If-Modified-Since: Fri, 01 Jan 2038 00:00:00 GMT\r\n\r\n"
    )
    for _ in range(3):
        writer.write(asked.encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert answer.startswith(b"HTTP/1.1 304 "), "what came after the last answer spoilt this one"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET /whip\x00 HTTP/1.1\r\n\r\n",
        b"<b>GET</b> / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + 9000 * b"a" + b"\r\n\r\n",
        b"POST /whip HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_told_so_in_json(start_server: StartServer, sent: bytes) -> None:
    running = await start_server()
    address = urlsplit(running.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(sent)
    head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.0 400 ") or head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body) == {"error": "this is no HTTP request that can be read"}
    assert b"\r\nContent-Type: application/json" in head and b"aiohttp" not in head


async def test_no_answer_names_a_library(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    for path in ("", "healthz", "nothing", "static/icon.svg"):
        async with http.get(running.url + path) as response:
            assert response.headers["Server"] == "talaqqi"


async def test_the_api(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    surahs = await (await http.get(f"{running.url}api/surahs")).json()
    assert len(surahs) == 114
    assert surahs[0] == {"surah": 1, "name": "الفاتحة", "latin": "Al-Fatihah", "ayat": 7}
    for _ in range(2):
        verses = await (await http.get(f"{running.url}api/verses?ref=1:1-7")).json()
        assert verses["ref"] == "1" and len(verses["words"]) == 29
    word = verses["words"][0]
    assert word["at"] == "1:1:1"
    spelled = [word["text"][slice(*phone["letters"])] for phone in word["phones"]]
    assert spelled[0] == "ب" and all(spelled)
    assert await refusal(await http.get(f"{running.url}api/verses?ref=x")) == (
        400,
        "'x' is not an address: write 112, 2:255, 1:1-7 or 2:255:3",
    )
    longest = await (await http.get(f"{running.url}api/verses?ref=2")).json()
    assert len(longest["words"]) > 6000
    slip = await (await http.get(f"{running.url}api/slip", params={"expected": "ص", "heard": "س"})).json()
    assert slip["rule"] == "substitution" and slip["traits"] == ["itbaq", "istila"]
    assert "ṣād was expected" in slip["what"]["en"] and "الحنك" in slip["fix"]["ar"]
    for pair in ({"expected": "ص", "heard": "ص"}, {"expected": "", "heard": "س"}, {"expected": "x", "heard": ""}, {}):
        assert (await http.get(f"{running.url}api/slip", params=pair)).status == 400
    names = await (await http.get(f"{running.url}api/rules")).json()
    assert names["ikhfa"] == {"ar": "الإخفاء الحقيقي", "en": "ikhfāʾ"}
    broken = await (await http.get(f"{running.url}api/rule?rule=qalqalah_kubra&slip=missing")).json()
    assert broken["what"]["ar"] and broken["fix"]["en"]
    short = await (await http.get(f"{running.url}api/rule?rule=madd_lazim&slip=short&low=6&high=6&measured=2.9")).json()
    assert "three counts; six" in short["what"]["en"] or "3 counts; 6" in short["what"]["en"]
    for query in (
        "",
        "rule=ikhfa",
        "rule=madd_lazim&slip=short&measured=nan",
        "rule=ikhfa&slip=light",
        "rule=x&slip=short",
        "rule=ikhfa&slip=replaced&heard=x",
    ):
        assert (await http.get(f"{running.url}api/rule?{query}")).status == 400, query
    samples = await (await http.get(f"{running.url}api/samples")).json()
    assert {"verses", "url"} <= set(samples[0])


async def test_health_and_metrics(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    running = await start_server()
    assert (await http.get(f"{running.url}healthz")).status == 200
    assert (await http.get(f"{running.url}readyz")).status == 200
    response = await http.get(f"{running.url}metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = await response.text()
    assert "talaqqi_sessions_capacity 16" in text
    assert 'talaqqi_stage_seconds_bucket{stage="encode",le="+Inf"} 0' in text
    assert 'talaqqi_cache_misses_total{cache="passage"}' in text


async def test_a_fault_of_ours_says_nothing_and_breaks_nothing(
    start_server: StartServer, http: aiohttp.ClientSession, tone: Recording
) -> None:
    ear = toy_ear(2)

    def broken(verses: str, state: LineState | None) -> None:
        raise ZeroDivisionError(verses)

    object.__setattr__(ear, "make_line", broken)
    running = await start_server(ear=ear, capacity=2)
    offer = await offer_of(Reciter(http, running.url, "1", tone))
    response = await http.post(f"{running.url}whip", data=offer.encode(), headers=SDP)
    assert await refusal(response) == (500, "the server made a mistake")
    assert json.loads(await (await http.get(f"{running.url}healthz")).text()) == {"status": "ok"}
    assert running.encoder.taken == set()
