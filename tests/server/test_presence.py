"""Whether a client is there, on a clock that the test moves."""

import pytest

from server.config import Config
from server.messages import Audio
from server.over import Over
from server.presence import Away, Presence


@pytest.fixture
def presence() -> Presence:
    found = Presence(Config(), 0.0)
    found.ping(0.0)
    found.audio(0.0)
    return found


def test_a_client_that_is_quiet_is_away(presence: Presence) -> None:
    limit = Config().ping_timeout_s
    assert not list(presence.look(limit - 0.01, 0))
    assert list(presence.look(limit + 0.01, 0)) == [Away("gone")]


def test_a_server_that_did_not_listen_does_not_hold_it_against_the_client(presence: Presence) -> None:
    presence.excuse(5.0)
    assert not list(presence.look(5.0, 0))
    assert presence.silent_s(5.0) == 0.0


def test_who_is_away_too_long_is_gone(presence: Presence) -> None:
    presence.away = "gone"
    assert not list(presence.look(Config().resume_s - 1, 0))
    with pytest.raises(Over):
        list(presence.look(Config().resume_s + 1, 0))


def test_silence_is_told_once_and_so_is_its_end() -> None:
    presence, notice = Presence(Config(), 0.0), Config().audio_notice_s
    assert list(presence.look(notice + 0.5, 0)) == [Audio("missing", round(notice + 0.5, 1))]
    assert not list(presence.look(notice + 0.6, 0))
    presence.audio(notice + 0.7)
    assert list(presence.look(notice + 0.8, 0)) == [Audio("flowing", 0.1)]
