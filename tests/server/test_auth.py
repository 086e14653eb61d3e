"""Tokens: who gets in, and what they are told otherwise."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from server import auth
from server.auth import OPEN_CLASS, Forbidden, Refused, Tokens, TooManyTokens
from server.cli import main
from server.config import Config, ConfigError, read_tokens
from server.roles import Holder, Role, mint, read, read_secret

SECRET = "s" * 32


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()


def tokens(clock: Clock, required: bool = True) -> Tokens:
    return Tokens(["teacher", "headmaster"], required=required, life_s=60, clock=clock, secret=SECRET, watched=True)


def bearer(role: Role, *classes: str, sub: str = "7", secret: str = SECRET, age_s: float = 0) -> str:
    return f"Bearer {mint(secret, role, sub=sub, classes=classes, now=time.time() - age_s, life_s=60)}"


def test_without_need_of_tokens_everyone_gets_in(clock: Clock) -> None:
    open_to_all = tokens(clock, required=False)
    for header in (None, "", "Bearer x", "Basic y"):
        holder = open_to_all.grant(header).holder
        assert holder.classes == {OPEN_CLASS} and holder.may_watch(OPEN_CLASS)
        open_to_all.owns(header, holder)


@pytest.mark.parametrize(
    "header",
    [None, "", "teacher", "Basic teacher", "Bearer", "Bearer  ", "Bearer Teacher", "Bearer é", "Bearer \udcff"],
)
def test_what_is_no_token(clock: Clock, header: str | None) -> None:
    with pytest.raises(Refused):
        tokens(clock).grant(header)


def test_a_session_token_works_once_and_for_its_own_session(clock: Clock) -> None:
    known = tokens(clock)
    token, other = known.issue(), known.issue()
    holder = known.grant(f"bearer {token}").holder
    assert holder.role is Role.STUDENT and not holder.classes
    with pytest.raises(Refused, match="already been used") as caught:
        known.grant(f"Bearer {token}")
    assert 'error="invalid_token"' in caught.value.challenge
    known.owns(f"Bearer {token}", holder)
    known.owns("Bearer headmaster", holder)
    with pytest.raises(Refused, match="another token"):
        known.owns(f"Bearer {other}", holder)
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


def test_a_student_recites_and_acts_on_sessions_of_their_own_only(clock: Clock) -> None:
    known = tokens(clock)
    mine = known.grant(bearer(Role.STUDENT, "boys")).holder
    assert known.grant(bearer(Role.STUDENT, "boys")).holder.sub == "7", "as often as they like"
    known.owns(bearer(Role.STUDENT, "boys"), mine)
    known.owns(bearer(Role.OPERATOR), mine)
    for other in (bearer(Role.STUDENT, "boys", sub="8"), bearer(Role.TEACHER, "boys"), bearer(Role.PROBE)):
        with pytest.raises(Refused, match="another token"):
            known.owns(other, mine)
    with pytest.raises(Forbidden):
        known.admin(bearer(Role.STUDENT, "boys"))
    known.admin(bearer(Role.OPERATOR))


def test_a_teacher_watches_their_classes_and_opens_no_session(clock: Clock) -> None:
    known = tokens(clock)
    teacher = known.holder(bearer(Role.TEACHER, "boys", "girls"))
    assert [name for name in ("boys", "girls", "others", "") if teacher.may_watch(name)] == ["boys", "girls"]
    with pytest.raises(Forbidden, match="opens no session"):
        known.grant(bearer(Role.TEACHER, "boys"))
    assert not known.holder(bearer(Role.STUDENT, "boys")).may_watch("boys")
    assert not known.holder(bearer(Role.PROBE)).may_watch("boys")
    assert known.holder(bearer(Role.OPERATOR)).may_watch("boys") and known.holder("Bearer teacher").may_watch("boys")


@pytest.mark.parametrize(
    ("authorization", "why"),
    [
        (bearer(Role.STUDENT, "boys", age_s=3600), "has expired"),
        (bearer(Role.STUDENT, "boys", secret="z" * 32), "not known"),
        ("Bearer a.b.c", "not known"),
        (f"Bearer {jwt.encode({'sub': '7', 'role': 'operator', 'exp': 9e9}, '', 'none')}", "not known"),
        (f"Bearer {jwt.encode({'sub': '7', 'role': 'operator'}, SECRET)}", "not known"),
        (f"Bearer {jwt.encode({'sub': '7', 'exp': 9e9}, SECRET)}", "lacks a claim"),
        (f"Bearer {jwt.encode({'sub': '7', 'role': 'king', 'exp': 9e9}, SECRET)}", "not understood"),
        (f"Bearer {jwt.encode({'sub': '7', 'role': 'teacher', 'exp': 9e9}, SECRET)}", "names its class"),
        (f"Bearer {jwt.encode({'sub': '7', 'role': 'probe', 'class': 'x', 'exp': 9e9}, SECRET)}", "of no class"),
        (f"Bearer {jwt.encode({'sub': '7', 'role': 'student', 'class': ['x'] * 65, 'exp': 9e9}, SECRET)}", "lacks"),
    ],
)
def test_tokens_with_a_role_that_are_refused(clock: Clock, authorization: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        tokens(clock).holder(authorization)


def test_without_a_secret_no_role_is_believed(clock: Clock) -> None:
    with pytest.raises(Refused, match="not known"):
        Tokens(["long"], required=True, life_s=60, clock=clock).holder(bearer(Role.OPERATOR))


def test_tokens_of_another_system_are_taken() -> None:
    claims = {"sub": "u1", "role": "student", "class": "boys", "name": "Bilal", "exp": 9e9, "aud": "talaqqi", "x": 1}
    holder = read(jwt.encode(claims, SECRET), SECRET)
    assert holder == Holder("u1", Role.STUDENT, frozenset({"boys"}), "Bilal", 9e9)


def test_the_command_mints_what_the_server_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    who = ["token", "--secret-file", str(file), "--role", "teacher", "--class", "boys", "--class", "girls"]
    assert main([*who, "--sub", "t1", "--name", "Maryam", "--life", "30m"]) == 0
    holder = read(capsys.readouterr().out.strip(), read_secret(file))
    assert (holder.sub, holder.role, holder.name) == ("t1", Role.TEACHER, "Maryam")
    assert holder.classes == {"boys", "girls"} and 1700 < holder.expires - time.time() <= 1800
    assert main([*who, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert read(told["token"], SECRET).sub == told["sub"] and told["expires"] > time.time()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--role", "teacher"], "name it with --class"),
        (["--role", "probe", "--class", "boys"], "is of no class"),
        (["--role", "student", "--class", "boys", "--life", "forever"], "write 90s"),
        (["--role", "student", "--class", "boys", "--life", "90d"], "at most 30d"),
        (["--role", "student", "--class", "x" * 65], "no such token"),
    ],
)
def test_tokens_that_nobody_would_take_are_not_minted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], why: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    assert main(["token", "--secret-file", str(file), *options]) == 2
    output = capsys.readouterr()
    assert output.out == "" and why in output.err


def test_a_secret_is_long(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("secret")
    with pytest.raises(ConfigError, match="has 6 characters; 32 are needed"):
        read_secret(file)
    with pytest.raises(ConfigError, match="cannot read"):
        read_secret(tmp_path / "none")


@pytest.mark.parametrize(
    ("settings", "needs"),
    [
        ({}, False),
        ({"host": "localhost"}, False),
        ({"host": "::1"}, False),
        ({"tokens": frozenset({"t"})}, True),
        ({"secret": SECRET}, True),
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
