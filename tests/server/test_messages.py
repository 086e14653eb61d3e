"""The wire protocol: its schema, its strictness, and the tail of verdicts."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.events import (
    Cursor,
    Following,
    HarakahReport,
    PhoneVerdict,
    Status,
    Summary,
    Update,
    WordReport,
    WordVerdict,
)
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from server.channels import FEEDBACK_BYTES, TAIL_SAMPLES, FeedbackTail
from server.messages import (
    BadMessage,
    Feedback,
    Ping,
    Stamps,
    decode_client,
    decode_server,
    encode,
    schema_text,
    summary_message,
)

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_published_schema_is_the_one_in_force() -> None:
    published = (DOCS / "protocol.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run: python -m server.messages docs/protocol.schema.json"


_TYPES = ("Stamps", "Status", "Following", "Rule", "Severity", "Slip", "PitchRange", "ProsodyReport")


def test_every_message_is_explained() -> None:
    text = (DOCS / "protocol.md").read_text(encoding="utf-8")
    for name in msgspec.json.decode(schema_text())["$defs"]:
        name = name.removesuffix("Message")
        if not name.endswith("Row") and name not in _TYPES and "Summary" not in name:
            assert f"`{name.lower()}`" in text, name


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert decode_client('{"v":1,"type":"ping","t":3,"later":true}', 100) == Ping(1, 3.0)


def test_too_long_is_told_apart() -> None:
    with pytest.raises(BadMessage) as caught:
        decode_client("ب" * 60, 100)
    assert caught.value.code == "too_large"


@given(st.one_of(st.text(), st.binary()))
def test_garbage_is_a_bad_message(data: str | bytes) -> None:
    with pytest.raises(BadMessage):
        decode_client(data, 10_000)


def phone(n: int) -> PhoneVerdict:
    at = f"2:{n % 286 + 1}:{n % 40 + 1}"
    return PhoneVerdict(at, n % 12, "نننن", 900_000 + n, 901_000 + n, 0.98765, "ضض", (10, 11))


def word(n: int) -> WordVerdict:
    return WordVerdict(f"2:{n % 286 + 1}:{n % 40 + 1}", 900_000 + n, 901_000 + n, 0.98765, Status.NOT_REACHED)


def rule(n: int) -> RuleVerdict:
    at = f"2:{n % 286 + 1}:{n % 40 + 1}"
    return RuleVerdict(
        at, Rule.IDGHAM_MUTAQARIBAYN, (10, 11), 900_000 + n, 901_000 + n, Severity.ADVICE, Slip.REPLACED, 0.98765,
        (4.0, 5.0), 3.14159, 0.2, "مممم",
    )  # fmt: skip


hops = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8), st.integers(0, 6)), min_size=1, max_size=60)


@settings(deadline=None)
@given(hops)
def test_every_verdict_is_sent_at_once_and_messages_stay_small(counts: list[tuple[int, int, int]]) -> None:
    tail = FeedbackTail()
    phones = words = rules = 0
    for n, (more_phones, more_words, more_rules) in enumerate(counts):
        update = Update((n + 1) * 1280, Cursor("2:286:40", 11, 900_000), (), (), True, -123.45, Following.FOLLOWING)
        tail.update(
            [phone(phones + i) for i in range(more_phones)],
            [word(words + i) for i in range(more_words)],
            [rule(rules + i) for i in range(more_rules)],
        )
        phones, words, rules = phones + more_phones, words + more_words, rules + more_rules
        texts = tail.messages(update, 4_294_967_295, Stamps(123456.7, 123456.7, 123456.7))
        assert all(len(text.encode()) < FEEDBACK_BYTES for text in texts)
        messages = [decode_server(text) for text in texts]
        assert all(isinstance(message, Feedback) for message in messages)
        new_phones = {row.id for message in messages for row in message.phones}
        new_words = {row.id for message in messages for row in message.words}
        assert set(range(phones - more_phones + 1, phones + 1)) <= new_phones
        assert set(range(words - more_words + 1, words + 1)) <= new_words
        new_rules = {row.id for message in messages for row in message.rules}
        assert set(range(rules - more_rules + 1, rules + 1)) <= new_rules


def test_a_verdict_is_repeated_for_two_seconds() -> None:
    tail = FeedbackTail()
    tail.update([phone(1)], [word(1)])
    carried = []
    for n in range(40):
        update = Update(n * 1280, None, (), (), False, -60.0, Following.WAITING)
        (text,) = tail.messages(update, 0, Stamps(0, 0, 0))
        message = decode_server(text)
        assert isinstance(message, Feedback) and message.seq == n + 1
        carried.append((len(message.phones), len(message.words)))
    assert carried[: TAIL_SAMPLES // 1280 + 1] == [(1, 1)] * (TAIL_SAMPLES // 1280 + 1)
    assert carried[-1] == (0, 0)


def test_a_client_that_was_stuck_gets_the_newest_verdicts_first() -> None:
    tail = FeedbackTail()
    tail.update([phone(n) for n in range(600)], [])
    update = Update(1280, None, (), (), False, -60.0, Following.WAITING)
    messages = [decode_server(text) for text in tail.messages(update, 0, Stamps(0, 0, 0))]
    assert isinstance(messages[0], Feedback) and messages[0].phones[-1].id == 600
    got = {row.id for message in messages if isinstance(message, Feedback) for row in message.phones}
    assert got == set(range(89, 601)), "the oldest beyond 512 are dropped"


def test_phones_say_which_letters_spell_them() -> None:
    tail = FeedbackTail()
    verdict = PhoneVerdict("1:1:2", 3, "ل", 1000, 2000, 0.97, None, (3, 5))
    tail.update([verdict], [])
    (text,) = tail.messages(Update(2560, None, (), (), True, -20.0, Following.FOLLOWING), 0, Stamps(0, 0, 0))
    assert msgspec.json.decode(text)["phones"] == [[1, "1:1:2", 3, "ل", 1000, 2000, 0.97, None, 3, 6]]
    word = WordReport("1:1:2", "ٱللَّهِ", 1000, 2000, 0.97, Status.ACCEPTED, (verdict,))
    (told,) = summary_message("1:1:2", Summary((word,), 2000)).words[0].phones
    assert (told.first, told.stop) == (3, 6)


def test_a_rule_kept_is_sent_where_it_was_broken_before() -> None:
    tail = FeedbackTail()
    missing = RuleVerdict("112:1:4", Rule.QALQALAH_KUBRA, (3, 3), 7000, 8000, Severity.ADVICE, Slip.MISSING, 0.875)
    kept = RuleVerdict("112:1:4", Rule.QALQALAH_KUBRA, (3, 3), 17_000, 18_000, Severity.FINE)
    unclear = RuleVerdict("112:1:4", Rule.QALQALAH_KUBRA, (3, 3), 12_000, 13_000, Severity.UNCLEAR)
    elsewhere = RuleVerdict("112:2:2", Rule.QALQALAH_KUBRA, (7, 7), 27_000, 28_000, Severity.FINE)
    told = [tail.update([], [], [verdict]) for verdict in (kept, missing, unclear, kept, kept, elsewhere)]
    # A mark that nothing removes would go on accusing a reciter who has mended it.
    assert [len(rows) for rows in told] == [0, 1, 0, 1, 0, 0]
    tail.update([], [], [missing])
    tail.forget()
    assert tail.update([], [], [kept]) == []


def test_rules_are_sent_when_they_were_broken_or_measured() -> None:
    tail = FeedbackTail()
    kept = RuleVerdict("1:1:2", Rule.TAFKHIM, (3, 3), 1000, 2000, Severity.FINE)
    long = RuleVerdict("1:1:3", Rule.MADD_TABII, (2, 4), 3000, 6000, Severity.FINE, None, 0.9, (2, 2), 2.04, 0.1)
    missing = RuleVerdict("112:1:4", Rule.QALQALAH_KUBRA, (3, 3), 7000, 8000, Severity.ADVICE, Slip.MISSING, 0.875)
    tail.update([], [], [kept, long, missing])
    heard = Update(8960, None, (), (), True, -20.0, Following.FOLLOWING, harakah_s=0.2123)
    (text,) = tail.messages(heard, 0, Stamps(0, 0, 0))
    told = msgspec.json.decode(text)
    assert told["rules"] == [
        [1, "1:1:3", "madd_tabii", 2, 5, 3000, 6000, "fine", None, 0.9, [2, 2], 2.04, None, 0.1],
        [2, "112:1:4", "qalqalah_kubra", 3, 4, 7000, 8000, "advice", "missing", 0.875, None, None, None, None],
    ]
    assert told["harakah_ms"] == 212.3
    summary = summary_message("1", Summary((), 8960, (kept, long), HarakahReport(0.2, 0.01)))
    assert [row.rule for row in summary.rules] == [Rule.TAFKHIM, Rule.MADD_TABII]
    assert summary.harakah_ms == 200


def test_encode_is_json_text() -> None:
    assert encode(Ping(1, 2.5)) == '{"type":"ping","v":1,"t":2.5}'
