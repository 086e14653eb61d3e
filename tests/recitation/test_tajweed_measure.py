"""What the measure of tajweed counts, on verdicts made up for the purpose and on a recitation."""

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from recitation.accuracy.tables import MarksError
from recitation.acoustics.engine import OnnxEngine
from recitation.events import Following, PhoneVerdict, Update
from recitation.made_voice import EspeakError
from recitation.spoiling.spoil import Clip, Spoiled, spoken_wrong
from recitation.spoiling.takes import Key, Take, key_of
from recitation.tajweed.figures import alarms, found_in, summarise, wilson
from recitation.tajweed.fit import Evidence
from recitation.tajweed.measure import Answer, Ear, Judged, Measured, Tried, answers, compare, judge, measure
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.rules import Rule
from recitation.tajweed.tables import BEGIN_MARK, END_MARK, tables, write_docs
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

SCRIPT = Path(__file__).parents[2] / "perf" / "tajweed"
ERROR, ADVICE, FINE, UNCLEAR = Severity.ERROR, Severity.ADVICE, Severity.FINE, Severity.UNCLEAR
TABII: Key = ("1:2:4", Rule.MADD_TABII, (2, 2))


def verdict(
    severity: Severity, key: Key = TABII, slip: Slip | None = None, end: int = 8_000, start: int = 4_000
) -> RuleVerdict:
    at, rule, letters = key
    return RuleVerdict(at, rule, letters, start, end, severity, slip)


def update(sample: int, *rules: RuleVerdict, phones: tuple[PhoneVerdict, ...] = ()) -> Update:
    return Update(sample, None, phones, (), True, -30.0, Following.FOLLOWING, rules)


def phone(at: str, index: int, p: float) -> PhoneVerdict:
    return PhoneVerdict(at, index, "ل", 0, 320, p, None)


def slip(key: Key = TABII, kind: str = "madd cut", made: Slip = Slip.SHORT) -> Spoiled:
    at, rule, letters = key
    return Spoiled(kind, rule, at, letters, made, 4_000, 6_000, 0.5, ((at, 1), (at, 3)))


@lru_cache(maxsize=1)
def _clip() -> Clip:
    return spoken_wrong("112", "man1", 0.15, 0, Moshaf())


@pytest.fixture(scope="module")
def clip() -> Clip:
    try:
        return _clip()
    except EspeakError as missing:
        pytest.skip(f"the made voice needs espeak-ng: {missing}")


def test_the_gravest_answer_stands_and_the_first_of_equals() -> None:
    said = answers(
        [
            update(9_600, verdict(UNCLEAR)),
            update(10_880, verdict(ADVICE, slip=Slip.SHORT), verdict(FINE)),
            update(12_160, verdict(ADVICE, slip=Slip.LONG)),
        ]
    )
    assert said == {TABII: Answer(ADVICE, Slip.SHORT, 10_880, 8_000)}
    assert answers([update(0)]) == {}


def test_every_rule_of_a_take_is_counted_once_and_accusations_elsewhere_too(clip: Clip) -> None:
    take: Take = clip.take
    heard = [found for found in take.found if found.instance.rule is not Rule.HAMZAT_WASL]
    first, second = heard[0], heard[1]
    end = first.phones[-1].end
    assert end is not None
    stray: Key = ("112:1:2", Rule.WAQF, (0, 0))
    live = {
        key_of(first): Answer(ERROR, Slip.SHORT, end + 4_000, 0),
        stray: Answer(ADVICE, Slip.BROKEN, 6_400, 4_800),
        ("112:1:3", Rule.WAQF, (1, 1)): Answer(FINE, None, 6_400, 4_800),
    }
    judged = judge(take, live, {key_of(first): Answer(FINE, None, 0, 0), key_of(second): Answer(ERROR, None, 0, 0)})
    assert len(judged) == len(heard) + 1 < len(take.found) + 1
    assert judged[0] == Judged(first.instance.rule, ERROR, FINE, 250.0)
    assert judged[1] == Judged(second.instance.rule, None, ERROR, None)
    assert judged[-1] == Judged(Rule.WAQF, ADVICE, None, 100.0)


def test_a_slip_is_held_against_its_twin() -> None:
    beside = (phone(TABII[0], 1, 0.9), phone(TABII[0], 3, 0.9))
    before = [update(9_600, verdict(FINE), phones=beside)]
    after = [update(9_600, verdict(ERROR, slip=Slip.SHORT), phones=(beside[0], phone(TABII[0], 3, 0.1)))]
    assert compare([slip()], before, after) == [Tried(slip(), FINE, ERROR, True, 2, 2, 1)]
    other = [update(9_600, verdict(ADVICE, slip=Slip.LONG))]
    assert compare([slip()], before, other) == [Tried(slip(), FINE, ADVICE, False, 0, 0, 0)]
    assert compare([slip()], before, [update(9_600)]) == [Tried(slip(), FINE, None, False, 0, 0, 0)]


def test_a_broken_word_may_be_told_at_any_of_its_letters() -> None:
    broken = slip(("1:2:4", Rule.WAQF, (0, 0)), "word broken", Slip.BROKEN)
    after = [update(9_600, verdict(ERROR, ("1:2:4", Rule.WAQF, (3, 4)), Slip.BROKEN), verdict(ERROR, slip=Slip.SHORT))]
    (tried,) = compare([broken], [update(9_600, verdict(FINE))], after)
    assert (tried.before, tried.after, tried.named) == (None, ERROR, True)
    (elsewhere,) = compare([broken], [], [update(9_600, verdict(ERROR, ("1:2:5", Rule.WAQF, (0, 1)), Slip.BROKEN))])
    assert elsewhere.after is None


@pytest.mark.parametrize(
    ("found", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (0, 0, 0, 1)],
)
def test_wilson_intervals(found: int, total: int, low: float, high: float) -> None:
    assert wilson(found, total) == pytest.approx([low, high], abs=2e-4)


def test_figures_of_correct_recitation() -> None:
    judged = [
        Judged(Rule.MADD_TABII, ERROR, ERROR, 300.0),
        Judged(Rule.MADD_TABII, ADVICE, FINE, 200.0),
        Judged(Rule.MADD_TABII, FINE, FINE, 100.0),
        Judged(Rule.MADD_TABII, UNCLEAR, None, 400.0),
        Judged(Rule.MADD_TABII, None, None, None),
    ]
    row = alarms(judged)
    assert (row["instances"], row["error"], row["advice"], row["unclear"], row["unanswered"]) == (5, 0.2, 0.2, 0.4, 1)
    assert row["error_ci"] == wilson(1, 5)
    assert row["agreement"] == 0.5
    assert row["delay_ms"] == {"n": 4, "p50": 250, "p95": 385}
    assert alarms([]) == {"instances": 0, "unanswered": 0, "delay_ms": {"n": 0}}


def test_figures_of_slips() -> None:
    row = found_in(
        [
            Tried(slip(), FINE, ERROR, True, 2, 2, 2),
            Tried(slip(), ADVICE, ADVICE, False, 2, 1, 0),
            Tried(slip(), FINE, FINE, False, 2, 1, 1),
            Tried(slip(), None, None, False, 0, 0, 0),
        ]
    )
    assert (row["n"], row["error"], row["any"], row["unclear"]) == (4, 0.25, 0.5, 0.25)
    assert (row["before_error"], row["before_any"], row["named"], row["neighbours_kept"]) == (0.0, 0.25, 0.5, 0.75)


def measurements() -> list[Measured]:
    judged = tuple(Judged(Rule.MADD_TABII, said, FINE, 150.0) for said in (ERROR, FINE, FINE, FINE))
    tried = (Tried(slip(), FINE, ERROR, True, 2, 2, 2), Tried(slip(), FINE, ADVICE, True, 2, 2, 2))
    return [
        Measured("reciter", 45.0, judged, tried, 0.09),
        Measured("reciter", 15.0, judged[1:], (), 0.03),
        Measured("learners", 6.0, (Judged(Rule.SAKT, UNCLEAR, UNCLEAR, 90.0),), (), 0.0),
    ]


def test_figures_by_rule_group_and_kind() -> None:
    result = summarise(measurements())
    assert json.loads(json.dumps(result)) == result
    groups, rules, slips = result["groups"], result["rules"], result["slips"]
    assert isinstance(groups, dict) and isinstance(rules, dict) and isinstance(slips, dict)
    assert list(groups) == ["learners", "reciter"]
    assert groups["reciter"]["minutes"] == groups["reciter"]["errors_per_minute"] == 1.0
    assert groups["reciter"]["cpu_ms_per_s"] == 2.0
    assert set(rules) == {"madd_tabii", "sakt"} and set(rules["sakt"]) == {"learners"}
    row = rules["madd_tabii"]["reciter"]
    assert (row["instances"], row["error"]) == (7, round(1 / 7, 4))
    assert row["slips"]["precision_error"] == round(0.5 / (0.5 + 1 / 7), 4)
    assert row["slips"]["precision_any"] == round(1 / (1 + 1 / 7), 4)
    assert slips == {"madd cut": {"reciter": found_in(measurements()[0].tried)}}


def test_the_page_gets_its_table(tmp_path: Path) -> None:
    result = summarise(measurements()) | {"model": "0123456789ab", "command": "perf/tajweed --made"}
    page = tmp_path / "tajweed.md"
    page.write_text(f"# Before\n{BEGIN_MARK}\nold figures\n{END_MARK}\n## After\n")
    write_docs(result, page)
    text = page.read_text()
    assert text.startswith(f"# Before\n{BEGIN_MARK}\n") and text.endswith(f"{END_MARK}\n## After\n")
    assert "old figures" not in text and tables(result) in text
    assert "| natural madd | 7 | 14.3 % (2.6–51.3) |" in text
    write_docs(result, page)
    assert page.read_text() == text
    widths = [line.count("|") for line in tables(result).split("\n\n")[2].splitlines()]
    assert len(set(widths)) == 1


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "tajweed.md"
    page.write_text("no marks\n")
    with pytest.raises(MarksError, match="measured: begin"):
        write_docs(summarise(measurements()) | {"model": "", "command": ""}, page)
    assert page.read_text() == "no marks\n"


def test_the_script_gives_its_options_and_says_what_is_missing() -> None:
    told = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert "perf/tajweed --recordings FOLDER --made --json result.json" in told.stdout
    refused = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2 and "--made" in refused.stderr


def test_a_made_recitation_is_measured(clip: Clip, engine: OnnxEngine) -> None:
    found = measure(Ear(engine, Moshaf()), clip.take, [clip])
    assert found.group == "made" and found.seconds == pytest.approx(len(clip.take.pcm) / 16_000)
    assert len(found.judged) >= sum(one.instance.rule is not Rule.HAMZAT_WASL for one in clip.take.found)
    assert len(found.tried) == len(clip.spoiled) > 0
    assert sum(one.accepted_before for one in found.tried) >= 0.75 * sum(one.neighbours for one in found.tried) > 0
    delays = [one.delay_ms for one in found.judged if one.delay_ms is not None]
    assert all(0 <= delay < 2_000 for delay in delays)


def test_constants_can_be_fitted_to_a_made_recitation(clip: Clip, engine: OnnxEngine) -> None:
    ear, evidence = Ear(engine, Moshaf()), Evidence()
    updates, _ = ear.follow(clip.take.passage, clip.take.pcm, ear.encode(clip.take.pcm))
    evidence.hear(clip.take, updates, clip.take.pcm)
    assert evidence.chances and not any(chance.slipped for chance in evidence.chances)
    assert len(evidence.echoes) == sum(one.instance.rule is Rule.QALQALAH_SUGHRA for one in clip.take.found) > 0
    lags = [lag for of_pair in evidence.lags_ms.values() for lag in of_pair]
    assert len(lags) > 20 and 60 < sorted(lags)[len(lags) // 2] < 140
    right = len(evidence.chances)
    evidence.hear(clip.take, updates, clip.take.pcm, clip.spoiled)
    assert all(chance.slipped for chance in evidence.chances[right:])
