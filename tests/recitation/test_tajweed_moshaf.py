"""The settings of a reading: what can be chosen, what contradicts itself, and what is not there yet."""

import json

import pytest

from recitation.tajweed.moshaf import FROZEN, TAFKHIM, TARQIQ, Moshaf, MoshafError
from recitation.tajweed.rules import Rule


def test_the_default_asks_for_no_length_that_is_free() -> None:
    moshaf = Moshaf()
    assert moshaf.counts(Rule.MADD_MUNFASIL) == moshaf.counts(Rule.MADD_SILAH_KUBRA) == (4, 4)
    assert moshaf.counts(Rule.MADD_MUTTASIL) == (4, 4)
    assert moshaf.muttasil_waqf_counts == (4, 6)
    assert moshaf.counts(Rule.MADD_ARID) == moshaf.counts(Rule.MADD_LEEN) == (2, 6)
    assert moshaf.counts(Rule.MADD_LAZIM) == (6, 6)
    assert moshaf.counts(Rule.MADD_TABII) == moshaf.counts(Rule.GHUNNAH) == (2, 2)
    assert moshaf.counts(Rule.IZHAR) is None
    assert moshaf.counts(Rule.TAFKHIM) is None


def test_leen_is_never_allowed_to_be_longer_than_arid() -> None:
    assert Moshaf(arid=4).counts(Rule.MADD_LEEN) == (2, 4)
    assert Moshaf(arid=4, leen=2).counts(Rule.MADD_LEEN) == (2, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Moshaf()),
        ("munfasil=5,muttasil=5", Moshaf(munfasil=5, muttasil=5)),
        (" munfasil = 2 , ", Moshaf(munfasil=2)),
        ("arid=any,leen=4", Moshaf(leen=4)),
        ('{"munfasil": 5, "muttasil": 5, "arid": "any"}', Moshaf(munfasil=5, muttasil=5)),
        ('{"arid": null}', Moshaf()),
        ("ra_firq=tarqiq", Moshaf(ra_firq=TARQIQ)),
        ("raa_firq=tafkheem,raa_misr=wasl", Moshaf(ra_firq=TAFKHIM)),
        ("meem_aal_imran=wasl_2", Moshaf(mim_al_imran=2)),
        ("madd_monfasel_len=5,madd_mottasel_len=5,madd_aared_len=6", Moshaf(munfasil=5, muttasil=5, arid=6)),
        ("sakt_marqdena=idraj,saken_before_hamz=tahqeek", Moshaf(sakt_marqadina="idraj")),
        ("rewaya=hafs,recitation_speed=hadr,noon_tamnna=ishmam", Moshaf()),
    ],
)
def test_it_is_read_from_a_line_or_from_json(text: str, expected: Moshaf) -> None:
    assert Moshaf.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("munfasil=5", "longer than muttasil=4"),
        ("muttasil=5,muttasil_waqf=4", "a stop can only lengthen"),
        ("arid=2,leen=4", "leen is at most as long"),
        ("munfasil=7", "munfasil=7: it can be 2, 3, 4 or 5"),
        ("arid=3", "it can be 2, 4, 6 or any"),
        ("munfasil=any", "it can be 2, 3, 4 or 5"),
        ("munfasil=four", "munfasil=four: it can be"),
        ("munfasil", "write name=value"),
        ("munfasil=", "write name=value"),
        ("munfasil=4,munfasil=5", "munfasil is given twice"),
        ("munfasil=4,madd_monfasel_len=4", "munfasil is given twice"),
        ("speed=2", "no setting 'speed': known are munfasil"),
        ("ra_firq=heavy", "it can be tafkhim, tarqiq or either"),
        ("noon_tamnna=rawm", "not there yet.*the lexicon holds ishmam"),
        ("harakat_daaf=dam", "not there yet.*the lexicon holds fath"),
        ("sakt_man_raq=idraj", "not there yet"),
        ("alif_salasila=ithbat", "the lexicon holds hadhf and wasl"),
        ('{"munfasil": 4', "no JSON object"),
        ('{"munfasil": 4.5}', "munfasil=4.5: it can be"),
        ('{"munfasil": true}', "munfasil=true: it can be"),
        ('{"munfasil": [4]}', "it can be"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(MoshafError, match=reason):
        Moshaf.parse(text)


def test_the_fields_are_checked_without_a_parser_too() -> None:
    with pytest.raises(MoshafError, match="longer than muttasil"):
        Moshaf(munfasil=5, muttasil=4)
    with pytest.raises(MoshafError, match="munfasil=true"):
        Moshaf(munfasil=True)


@pytest.mark.parametrize(
    "moshaf",
    [Moshaf(), Moshaf(munfasil=5, muttasil=5, arid=6, leen=2, ra_qitr=TARQIQ, sakin_before_hamzah="local_sakt")],
)
def test_it_survives_being_written(moshaf: Moshaf) -> None:
    assert Moshaf.from_dict(json.loads(json.dumps(moshaf.to_dict()))) == moshaf
    assert Moshaf.parse(str(moshaf)) == moshaf
    assert len({moshaf, Moshaf.from_dict(moshaf.to_dict())}) == 1


def test_every_attribute_of_quran_transcript_is_known() -> None:
    moshaf_attributes = pytest.importorskip("quran_transcript", reason="extra lexicon").MoshafAttributes
    for name, field in moshaf_attributes.model_fields.items():
        default = "hafs" if name == "rewaya" else field.default
        if name in FROZEN:
            assert set(FROZEN[name]) <= set(field.annotation.__args__)
        elif isinstance(default, str | int):
            Moshaf.from_dict({name: default})
        else:
            with pytest.raises(MoshafError, match="it can be"):
                Moshaf.from_dict({name: 99})


def test_what_is_frozen_is_what_the_lexicon_was_built_with() -> None:
    quran_transcript = pytest.importorskip("quran_transcript", reason="extra lexicon")
    from recitation.lexicon_build import MOSHAF

    built = quran_transcript.MoshafAttributes(**MOSHAF).model_dump()
    assert {name for name in FROZEN if built[name] not in FROZEN[name]} == set()
