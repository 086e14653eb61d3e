"""What a session keeps, told by hand and by property: nothing is lost, doubled or out of order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recitation.events import Following, PhoneVerdict, Status, Update, WordVerdict
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from server.storage import record as module
from server.storage.record import Changes, LabelRow, LetterRow, Record, RuleRow, Student, WordRow

MINUTE = 60 * 16_000


def hop(
    sample: int,
    *,
    phones: tuple[PhoneVerdict, ...] = (),
    words: tuple[WordVerdict, ...] = (),
    rules: tuple[RuleVerdict, ...] = (),
    speech: bool = True,
) -> Update:
    return Update(sample, None, phones, words, speech, -20.0, Following.FOLLOWING, rules)


def record() -> Record:
    return Record("s", Student("bilal", "Bilal", frozenset({"boys"})), "112", 1000.0)


def word(at: str, start: int = 0, status: Status = Status.ACCEPTED, score: float = 0.9) -> WordVerdict:
    return WordVerdict(at, start, start + 1600, score, status)


def taken(kept: Record) -> Changes:
    changes = kept.take()
    assert changes is not None
    return changes


def test_words_letters_rules_and_tallies() -> None:
    kept = record()
    right = PhoneVerdict("112:1:1", 0, "ق", 0, 800, 0.98, None, (0, 0))
    wrong = PhoneVerdict("112:1:1", 2, "ل", 800, 1600, 0.1, "ن", (2, 3))
    long = RuleVerdict(
        "112:1:1", Rule.GHUNNAH, (2, 3), 160, 3200, Severity.ADVICE, Slip.SHORT, 0.7, (2, 2), 1.234, heard="ن"
    )
    fine = RuleVerdict("112:1:1", Rule.TAFKHIM, (0, 0), 0, 800, Severity.FINE)
    unsure = RuleVerdict("112:1:1", Rule.QALQALAH_SUGHRA, (0, 0), 0, 800, Severity.UNCLEAR)
    kept.heard(hop(1280, phones=(right, wrong), rules=(long, fine, unsure)))
    kept.heard(hop(2560, words=(word("112:1:1", status=Status.QUESTIONED, score=0.4567),)))
    changes = taken(kept)
    assert changes.rows == [
        RuleRow(1, 112, 1, 1, 2, 4, "ghunnah", "short", "advice", 700, 2, 2, 1.23, "ن", 10, 200),
        WordRow(1, 112, 1, 1, "questioned", 457, 0, 100),
        LetterRow(1, 112, 1, 1, 2, 4, "ل", "ن", 100, 50, 100),
    ]
    assert changes.tallies == {
        ("unit", "ق"): (1, 0), ("unit", "ل"): (1, 1), ("rule", "ghunnah"): (1, 1), ("rule", "tafkhim"): (1, 0),
    }  # fmt: skip
    assert kept.take() is None, "everything was taken"


def test_a_letter_is_no_slip_where_the_word_is_not_doubted() -> None:
    kept = record()
    misheard = PhoneVerdict("112:1:1", 0, "ق", 0, 800, 0.3, "ك")
    kept.heard(hop(1280, phones=(misheard,), words=(word("112:1:1", status=Status.UNCLEAR),)))
    changes = taken(kept)
    assert [type(row) for row in changes.rows] == [WordRow] and changes.tallies == {("unit", "ق"): (1, 0)}
    kept.heard(hop(2560, words=(word("112:1:1", status=Status.QUESTIONED),)))
    assert [type(row) for row in taken(kept).rows] == [WordRow], "a letter counts for the word it was said in, once"


def test_nothing_is_kept_before_there_is_a_verdict() -> None:
    kept = record()
    kept.heard(hop(MINUTE, phones=(PhoneVerdict("112:1:1", 0, "ق", 0, 800, 0.9, None),)))
    kept.turn("113")
    kept.end("left")
    assert kept.take() is None
    kept.read_by("munfasil=5")
    assert taken(kept) == Changes(reading="munfasil=5"), "but the settings are"
    assert kept.take() is None
    kept.overruled("112:1:1", Status.ACCEPTED, Status.WRONG, "t", 2000.7)
    changes = taken(kept)
    assert changes.rows == [LabelRow(1, 112, 1, 1, "accepted", "wrong", "t", 2000)]
    assert changes.advanced and changes.tallies == {("unit", "ق"): (1, 0)}, "what came before the first is not lost"


def test_length_and_times_go_on_over_passages() -> None:
    kept = record()
    kept.heard(hop(MINUTE, words=(word("112:1:1"),)))
    kept.turn("auto")
    kept.heard(hop(MINUTE // 2, speech=False))
    kept.found("2:255-286")
    kept.heard(hop(MINUTE, words=(word("2:255:1", start=MINUTE // 2),)))
    assert (kept.seconds, kept.voice_s, kept.verses) == (120.0, 90.0, "112, 2:255-286")
    assert [row.start_ms for row in taken(kept).rows if isinstance(row, WordRow)] == [0, 90_000]


def test_a_full_record_drops_the_newest_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    kept = record()
    for n in range(1, 6):
        kept.heard(hop(n * 1280, words=(word(f"112:1:{n}"),)))
    assert [row.word for row in taken(kept).rows if isinstance(row, WordRow)] == [1, 2, 3] and kept.dropped == 2


def test_what_is_forgotten_stays_forgotten() -> None:
    kept = record()
    kept.heard(hop(1280, words=(word("112:1:1"),)))
    changes = taken(kept)
    kept.forget()
    kept.put_back(changes)
    kept.heard(hop(2560, words=(word("112:1:2"),)))
    kept.overruled("112:1:1", Status.WRONG, Status.ACCEPTED, "", 0)
    kept.remarked("أعد", None, "", 0)
    kept.read_by("muttasil=5")
    kept.turn("113")
    kept.end("left")
    assert kept.take() is None and not kept.waits


@given(st.lists(st.sampled_from(["hop", "commit", "fail"]), max_size=40))
def test_each_row_is_kept_once_and_in_order_whenever_it_is_asked_for_and_whatever_fails(steps: list[str]) -> None:
    kept, committed, tallies = record(), [], {}
    for n, step in enumerate([*steps, "commit"], start=1):
        if step == "hop":
            phone = PhoneVerdict(f"2:1:{n}", 0, "م", 0, 1, 0.9, None)
            kept.heard(hop(n * 1280, phones=(phone,), words=(word(f"2:1:{n}"),)))
            continue
        changes = kept.take()
        if changes is not None and step == "fail":
            kept.heard(hop(n * 1280, phones=(PhoneVerdict("2:1:1", 0, "ن", 0, 1, 0.9, None),)))
            kept.put_back(changes)
        elif changes is not None:
            committed += [row.n for row in changes.rows if isinstance(row, WordRow)]
            tallies |= changes.tallies
    hops = steps.count("hop")
    assert committed == list(range(1, hops + 1))
    assert tallies.get(("unit", "م"), (0, 0)) == (hops, 0)
