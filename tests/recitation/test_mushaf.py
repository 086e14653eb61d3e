"""Addresses: what people write is read, and what names no place is refused with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recitation.mushaf import (
    AYAT_PER_SURAH,
    AYAT_TOTAL,
    SURAH_NAMES,
    AddressError,
    Reference,
    ayah_address,
    ayah_index,
    parse_reference,
)


def test_the_mushaf_has_114_surahs_and_6236_ayat() -> None:
    assert len(AYAT_PER_SURAH) == len(SURAH_NAMES) == 114
    assert sum(AYAT_PER_SURAH) == AYAT_TOTAL == 6236
    assert len({latin for _, latin in SURAH_NAMES}) == 114
    assert (AYAT_PER_SURAH[1], AYAT_PER_SURAH[8], AYAT_PER_SURAH[113]) == (286, 129, 6)
    assert SURAH_NAMES[111] == ("الإخلاص", "Al-Ikhlas")


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("112", Reference(112, 1, 4)),
        ("2:255", Reference(2, 255, 255)),
        ("1:1-7", Reference(1, 1, 7)),
        ("2:255:3", Reference(2, 255, 255, 3)),
        (" 114:6 \n", Reference(114, 6, 6)),
        ("٢:٢٥٥", Reference(2, 255, 255)),
        ("001:01-07", Reference(1, 1, 7)),
        ("3:4-4", Reference(3, 4, 4)),
    ],
)
def test_addresses_are_read(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not an address"),
        ("fatihah", "is not an address"),
        ("1:", "is not an address"),
        ("1:1-", "is not an address"),
        ("1:-7", "is not an address"),
        ("-1:1", "is not an address"),
        ("1:1:1:1", "is not an address"),
        ("1:1-3:2", "is not an address"),
        ("1.1", "is not an address"),
        ("1:1,3", "is not an address"),
        ("1 : 1", "is not an address"),
        ("1:1\x00", "is not an address"),
        ("१:१", "is not an address"),
        ("9999999999999999999999", "is not an address"),
        ("0", "no surah 0"),
        ("115", "no surah 115"),
        ("115:1", "no surah 115"),
        ("1:0", "no ayah 1:0: surah 1 has 7 ayat"),
        ("1:8", "no ayah 1:8: surah 1 has 7 ayat"),
        ("1:1-8", "no ayah 1:8"),
        ("2:287", "surah 2 has 286 ayat"),
        ("1:0-3", "no ayah 1:0"),
        ("1:5-2", "runs backwards: write 1:2-5"),
        ("1:1:0", "words count from 1"),
    ],
)
def test_bad_addresses_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason) as refused:
        parse_reference(text)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=12))
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        reference = parse_reference(text)
    except AddressError:
        return
    assert 1 <= reference.first <= reference.last <= AYAT_PER_SURAH[reference.surah - 1]


@st.composite
def references(draw: st.DrawFn) -> Reference:
    surah = draw(st.integers(1, 114))
    first = draw(st.integers(1, AYAT_PER_SURAH[surah - 1]))
    if draw(st.booleans()):
        return Reference(surah, first, first, draw(st.integers(1, 128)))
    return Reference(surah, first, draw(st.integers(first, AYAT_PER_SURAH[surah - 1])))


@given(references())
def test_a_reference_reads_back_from_its_text(reference: Reference) -> None:
    assert parse_reference(str(reference)) == reference


def test_a_whole_surah_is_written_by_its_number() -> None:
    assert str(parse_reference("112:1-4")) == "112"
    assert list(parse_reference("1:2-4").ayat) == [2, 3, 4]


def test_ayat_are_numbered_through_the_mushaf() -> None:
    places = [(surah, ayah) for surah, ayat in enumerate(AYAT_PER_SURAH, 1) for ayah in range(1, ayat + 1)]
    assert [ayah_index(*place) for place in places] == list(range(6236))
    assert [ayah_address(index) for index in range(6236)] == places


@pytest.mark.parametrize("index", [-1, 6236])
def test_there_is_no_ayah_outside(index: int) -> None:
    with pytest.raises(AddressError, match="no ayah number"):
        ayah_address(index)
