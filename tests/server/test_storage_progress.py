"""Which rules are weak and which ayat are due: arithmetic with known answers."""

from datetime import date, timedelta

import pytest

from server.storage.answers import Due, Weak
from server.storage.progress import VerseDay, due_again, least_share, weakest

TODAY = date(2026, 11, 25)


def ago(days: int, *, words: int = 4, accepted: int | None = None, ayah: int = 1) -> VerseDay:
    return VerseDay(112, ayah, TODAY - timedelta(days=days), words, words, words if accepted is None else accepted)


def due(*days: VerseDay) -> tuple[Due, ...]:
    return due_again(days, TODAY, lambda surah, ayah: 4, 50)


@pytest.mark.parametrize(
    ("slips", "times", "share"),
    [(0, 0, 0.0), (0, 10, 0.0), (1, 1, 0.206), (5, 10, 0.237), (50, 100, 0.404), (10, 10, 0.722), (3, 2, 0.342)],
)
def test_wilsons_lower_bound(slips: int, times: int, share: float) -> None:
    assert least_share(slips, times) == pytest.approx(share, abs=0.001)


def test_one_slip_in_one_try_is_no_surer_weakness_than_many_in_many() -> None:
    once, often, never = Weak("sakt", 1, 1), Weak("ghunnah", 40, 30), Weak("madd_tabii", 500, 0)
    assert weakest([once, often, never], 8) == (often, once)
    assert weakest([once, often, never], 1) == (often,)


def test_an_ayah_that_went_well_is_due_after_growing_intervals() -> None:
    assert due(ago(0)) == ()
    assert due(ago(1)) == (Due("112:1", "2026-11-24", "2026-11-25", 1.0),)
    assert due(ago(4), ago(2)) == (), "twice well: three days"
    assert due(ago(5), ago(3)) == (Due("112:1", "2026-11-22", "2026-11-25", 1.0),)
    assert due(*(ago(10 + n) for n in range(4))) == (), "four times: two weeks"
    assert due(*(ago(59 + n) for n in range(9))) == () and due(*(ago(60 + n) for n in range(9))) != ()


def test_a_day_that_did_not_go_well_begins_anew() -> None:
    assert due(ago(9), ago(5), ago(1, accepted=3)) == (Due("112:1", "2026-11-24", "2026-11-25", 0.75),)


def test_half_an_ayah_does_not_count() -> None:
    assert due(ago(1, words=2)) == ()
    assert [each.last for each in due(ago(6), ago(1, words=2))] == ["2026-11-19"]


def test_the_longest_due_come_first_and_no_more_than_asked() -> None:
    found = due_again([ago(1, ayah=2), ago(9, ayah=1), ago(9, ayah=3)], TODAY, lambda surah, ayah: 4, 2)
    assert [each.at for each in found] == ["112:1", "112:3"]
