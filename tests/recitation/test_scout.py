"""The search aligns with every place at once as one alignment would with each, and the scout is sure or silent."""

import numpy as np
import pytest
from synthetic import Script, say_all

from recitation.lexicon import default_lexicon, recited
from recitation.mushaf import parse_reference
from recitation.phone_search import EXTRA_COST, FLOOR, MISSING_COST, NATS, Floats, fitting_costs
from recitation.phones import BLANK, UNITS
from recitation.scout import LISTENED_FRAMES, Scout


def one_by_one(units: np.ndarray, heard: Floats, start: int) -> float:
    """The recursion that ``fitting_costs`` describes, for one place, phone by phone."""
    costs = np.minimum(-np.log(heard + FLOOR) * NATS, 1000).astype(int)
    extra = np.minimum(costs[:, BLANK], int(EXTRA_COST * NATS))
    missing = round(MISSING_COST * NATS)

    def rest(phone: int, unit: int) -> float:
        if phone == len(heard):
            return 0 if unit < len(units) else np.inf
        left_out = extra[phone] + rest(phone + 1, unit)
        if unit >= len(units):
            return np.inf
        said = costs[phone, units[unit]] + min(
            rest(phone + 1, unit + 1) if unit + 1 < len(units) or phone + 1 == len(heard) else np.inf,
            missing + rest(phone + 1, unit + 2),
        )
        return min(said, left_out)

    return min(rest(0, start), missing + rest(0, start + 1))


@pytest.mark.parametrize("seed", range(5))
def test_all_places_at_once_cost_what_each_costs_alone(seed: int) -> None:
    random = np.random.default_rng(seed)
    units = random.integers(1, len(UNITS), 40).astype(np.uint8)
    heard = random.dirichlet(np.full(len(UNITS), 0.05), 5).astype(np.float32)
    together = fitting_costs(units, heard)
    for start in range(20):
        assert together[start] == one_by_one(units, heard, start)


def test_what_is_said_costs_nothing_and_ends_where_it_ends() -> None:
    units = np.array([3, 9, 4, 12, 7, 5, 30, 8], np.uint8)
    heard = np.full((3, len(UNITS)), 1e-6, np.float32)
    heard[[0, 1, 2], [4, 12, 7]] = 1
    assert int(fitting_costs(units, heard).argmin()) == 2
    assert int(fitting_costs(units[::-1], heard[::-1])[::-1].argmin()) == 4


@pytest.mark.parametrize(("word", "seed"), [(40, 0), (333, 1), (600, 2)])
def test_a_place_in_a_long_passage_is_found(word: int, seed: int) -> None:
    words = default_lexicon().words(parse_reference("36"))
    script = Script(np.random.default_rng(seed))
    for n in range(word - 12, word + 1):
        script.say_form(words[n].joined)
    found = Scout(words).find(script.log_probs(1.5)[-LISTENED_FRAMES:])
    assert found is not None
    assert abs(found - word) <= 1


def test_another_text_a_refrain_and_silence_are_nowhere() -> None:
    lexicon = default_lexicon()
    scout = Scout(lexicon.words(parse_reference("55")))
    for reference in ("2:282", "114", "55:13"):
        said = say_all(recited(lexicon.words(parse_reference(reference))), pause=5)
        end = max(said.starts)
        assert scout.find(said.log_probs()[max(0, end - LISTENED_FRAMES) : end]) is None
    silence = Script(np.random.default_rng(0))
    silence.pause(LISTENED_FRAMES)
    assert scout.find(silence.log_probs(0.1)) is None
