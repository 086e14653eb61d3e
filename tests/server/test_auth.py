"""Tokens: who gets in, and what they are told otherwise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server import auth
from server.auth import Refused, Tokens, TooManyTokens
from server.config import Config, ConfigError, read_tokens


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


def tokens(clock: Clock, required: bool = True) -> Tokens:
    return Tokens(["teacher", "headmaster"], required=required, life_s=60, clock=clock)


def test_without_need_of_tokens_everyone_gets_in(clock: Clock) -> None:
    open_to_all = tokens(clock, required=False)
    for header in (None, "", "Bearer x", "Basic y"):
        assert open_to_all.grant(header).token is None
        open_to_all.owns(header, None)


@pytest.mark.parametrize(
    "header", [None, "", "teacher", "Basic teacher", "Bearer", "Bearer  ", "Bearer Teacher", "Bearer é"]
)
def test_what_is_no_token(clock: Clock, header: str | None) -> None:
    with pytest.raises(Refused):
        tokens(clock).grant(header)


def test_a_session_token_works_once_and_for_its_own_session(clock: Clock) -> None:
    known = tokens(clock)
    token, other = known.issue(), known.issue()
    assert known.grant(f"bearer {token}").token == token
    with pytest.raises(Refused, match="already been used") as caught:
        known.grant(f"Bearer {token}")
    assert 'error="invalid_token"' in caught.value.challenge
    known.owns(f"Bearer {token}", token)
    known.owns("Bearer headmaster", token)
    with pytest.raises(Refused, match="another token"):
        known.owns(f"Bearer {other}", token)
    with pytest.raises(Refused, match="long-lived"):
        known.admin(f"Bearer {other}")


def test_a_session_token_expires_and_is_told_so(clock: Clock) -> None:
    known = tokens(clock)
    token = known.issue()
    clock.now += 61
    with pytest.raises(Refused, match="expired"):
        known.grant(f"Bearer {token}")
    clock.now += 60
    known.issue()
    with pytest.raises(Refused, match="not known"):
        known.grant(f"Bearer {token}")


def test_a_grant_released_can_be_taken_again(clock: Clock) -> None:
    known = tokens(clock)
    token = known.issue()
    known.grant(f"Bearer {token}").release()
    known.grant(f"Bearer {token}")


def test_memory_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MOST_TOKENS", 3)
    known = tokens(clock)
    for _ in range(3):
        known.issue()
    with pytest.raises(TooManyTokens):
        known.issue()
    clock.now += 121
    known.issue()


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        ({}, False),
        ({"host": "localhost"}, False),
        ({"host": "::1"}, False),
        ({"tokens": frozenset({"t"})}, True),
        ({"host": "0.0.0.0"}, True),
        ({"host": "example.org"}, True),
        ({"host": "0.0.0.0", "open_to_all": True}, False),
    ],
)
def test_who_needs_a_token(settings: dict[str, object], needs: bool) -> None:
    assert Config(**settings).needs_token is needs  # type: ignore[arg-type]


def test_token_files(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# the teachers'\nalpha\n\n beta \n")
    assert read_tokens(file) == {"alpha", "beta"}
    file.write_text("# none\n")
    with pytest.raises(ConfigError, match="holds no token"):
        read_tokens(file)
    file.write_bytes("é".encode())
    with pytest.raises(ConfigError, match="not plain ASCII"):
        read_tokens(file)
