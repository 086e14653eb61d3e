"""Refits what the validators hold constant, on recitation whose slips are known, and tells what it is worth.

Nothing is changed by it: values and figures are printed, to be compared with those in the code.  Every figure is of
voices that the value was not fitted to: each voice is left out in turn.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recitation.audio import SAMPLE_HZ, Pcm, levelled
from recitation.events import PhoneVerdict, Update
from recitation.spoiling.kinds import GHUNNAH_RULES, PAUSES
from recitation.spoiling.spoil import Spoiled
from recitation.spoiling.takes import Take, key_of, reader
from recitation.tajweed.lengths import Audio, kind_of
from recitation.tajweed.measure import NOT_JUDGED
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.validators.answers import log_odds_of
from recitation.tajweed.validators.madd import NATURAL
from recitation.tajweed.validators.qalqalah import CONSTANT, EAR_NAT, ECHO_SECOND, MISSING, echo_s
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

MOST_FALSE = 0.03
"""Share of right places that may be accused."""
LEAST_LAGS = 12
"""Boundaries of a pair of kinds from which a median is told."""
PENALTY = 1e-3
AS_THEY_ARE = np.array([CONSTANT, ECHO_SECOND, EAR_NAT])
"""Weights of ``validators.qalqalah``."""
_TOO_LONG = (Slip.LONG, Slip.HEAVY)


@dataclass(frozen=True, slots=True)
class Chance:
    """What the line thought of a place."""

    voice: str
    kind: str
    """Class of the rule and direction of the slip."""
    p: float
    """Probability of that slip."""
    slipped: bool
    """Whether one was made there."""


@dataclass(frozen=True, slots=True)
class Echo:
    """A qalqalah within the recitation."""

    voice: str
    seconds: float
    nats: float
    """Log-odds of the release by the ear."""
    slipped: bool


@dataclass
class Evidence:
    """What constants are fitted to."""

    chances: list[Chance] = field(default_factory=list)
    echoes: list[Echo] = field(default_factory=list)
    lags_ms: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """How long after a known boundary the ear emits the phone that begins there, by the kinds of the two phones."""

    def hear(self, take: Take, updates: Sequence[Update], pcm: Pcm, spoiled: Sequence[Spoiled] = ()) -> None:
        """Take what a session made of a take, or of one of its clips with slips in it."""
        audio = reader(levelled(pcm))
        voice = take.source if take.group != "made" else take.group
        slips = {slip.key: slip for slip in spoiled if slip.kind not in PAUSES}
        verdicts = {(told.at, told.rule, told.letters): told for update in updates for told in update.rules}
        phones = {(phone.at, phone.index): phone for update in updates for phone in update.phones}
        for found in take.found:
            key, rule = key_of(found), found.instance.rule
            slip = slips.get(key)
            if rule in NOT_JUDGED or key not in verdicts or (spoiled and slip is None):
                continue
            self.chances += _chances(voice, verdicts[key], slip)
            if rule is Rule.QALQALAH_SUGHRA and (slip is None or slip.slip is Slip.MISSING):
                here = [phones.get((heard.phone.at, heard.phone.index)) for heard in found.phones]
                following = found.phones[-1].following
                self.echoes += _echoes(voice, here, following, audio, slipped=slip is not None)
        if take.group == "made" and not spoiled:
            self._note_lags(take, phones)

    def _note_lags(self, take: Take, phones: dict[tuple[str, int], PhoneVerdict]) -> None:
        for before, after in zip(take.phones, take.phones[1:], strict=False):
            emitted = phones.get((after.phone.at, after.phone.index))
            if emitted is not None and after.start is not None and before.following is not None:
                pair = kind_of(before.phone.unit) + kind_of(after.phone.unit)
                self.lags_ms[pair].append(1000 * (emitted.start - after.start) / SAMPLE_HZ)


def class_of(rule: Rule) -> str:
    """Rules whose slips are alike."""
    if rule in GHUNNAH_RULES:
        return "ghunnah"
    if rule.family is Family.MADD:
        return "natural madd" if rule in NATURAL else "long madd"
    return str(rule.family.value)


def _chances(voice: str, verdict: RuleVerdict, slip: Spoiled | None) -> Iterator[Chance]:
    if verdict.severity is Severity.UNCLEAR:
        return
    for way in ("less", "more"):
        if slip is not None and (slip.slip in _TOO_LONG) is (way == "less"):
            continue
        told = verdict.slip is not None and (verdict.slip in _TOO_LONG) is (way == "more")
        other = verdict.slip is not None and not told
        p = verdict.confidence if told else 0.0 if other else 1 - verdict.confidence
        yield Chance(voice, f"{class_of(verdict.rule)}, {way}", p, slip is not None)


def _echoes(
    voice: str, phones: Sequence[PhoneVerdict | None], following: str | None, audio: Audio, *, slipped: bool
) -> Iterator[Echo]:
    letter, release = phones[0], phones[-1]
    if letter is None or release is None or following is None:
        return
    seconds = echo_s(letter, release, audio)
    if seconds is not None:
        yield Echo(voice, seconds, log_odds_of(release.p), slipped)


@dataclass(frozen=True, slots=True)
class Threshold:
    """Probability from which a slip is told, and what it is worth in voices left out."""

    kind: str
    p: float
    """Fitted to all voices."""
    right: int
    false: int
    """Right places accused, each by the value fitted without its voice."""
    slips: int
    found: int


def thresholds(chances: Iterable[Chance]) -> list[Threshold]:
    """For each kind the least threshold that accuses at most ``MOST_FALSE`` of the right places."""
    kinds: defaultdict[str, list[Chance]] = defaultdict(list)
    for chance in chances:
        kinds[chance.kind].append(chance)
    return [_threshold(kind, own) for kind, own in sorted(kinds.items()) if any(chance.slipped for chance in own)]


def _threshold(kind: str, chances: Sequence[Chance]) -> Threshold:
    false = found = 0
    for voice in {chance.voice for chance in chances}:
        least = _least([chance for chance in chances if chance.voice != voice])
        told = [chance for chance in chances if chance.voice == voice and chance.p >= least]
        found += sum(chance.slipped for chance in told)
        false += sum(not chance.slipped for chance in told)
    slips = sum(chance.slipped for chance in chances)
    return Threshold(kind, _least(chances), len(chances) - slips, false, slips, found)


def _least(chances: Sequence[Chance]) -> float:
    """The least probability that at most ``MOST_FALSE`` of the right places reach; half where none comes near."""
    right = sorted((chance.p for chance in chances if not chance.slipped), reverse=True)
    allowed = int(MOST_FALSE * len(right))
    return max(0.5, np.nextafter(right[allowed], 1.0)) if allowed < len(right) else 0.5


@dataclass(frozen=True, slots=True)
class QalqalahFit:
    """Constants of ``validators.qalqalah``, and what they are worth in voices left out."""

    constant: float
    echo_second: float
    ear_nat: float
    missing: float
    right: int
    false: int
    slips: int
    found: int


def qalqalah(echoes: Sequence[Echo]) -> QalqalahFit | None:
    """Logistic regression of a release being there on its echo and the ear; None with fewer than two voices that have
    both right ones and slips."""
    if len({echo.voice for echo in echoes if echo.slipped}) < 2:
        return None
    false = found = 0
    for voice in {echo.voice for echo in echoes}:
        rest = [echo for echo in echoes if echo.voice != voice]
        weights, least = _qalqalah_weights(rest)
        told = [echo for echo in echoes if echo.voice == voice and _odds(weights, echo) < least]
        found += sum(echo.slipped for echo in told)
        false += sum(not echo.slipped for echo in told)
    weights, least = _qalqalah_weights(echoes)
    slips = sum(echo.slipped for echo in echoes)
    constant, second, nat = weights.tolist()
    return QalqalahFit(constant, second, nat, least, len(echoes) - slips, false, slips, found)


def _odds(weights: NDArray[np.float64], echo: Echo) -> float:
    return float(weights @ (1.0, echo.seconds, echo.nats))


def _qalqalah_weights(echoes: Sequence[Echo]) -> tuple[NDArray[np.float64], float]:
    """Weights, and the odds that at most ``MOST_FALSE`` of the right ones lie below."""
    rows = np.array([(1.0, echo.seconds, echo.nats) for echo in echoes])
    weights = logistic(rows, np.array([not echo.slipped for echo in echoes]))
    right = sorted(_odds(weights, echo) for echo in echoes if not echo.slipped)
    return weights, right[int(MOST_FALSE * len(right))] if right else 0.0


def logistic(rows: NDArray[np.float64], there: NDArray[np.bool_], steps: int = 40) -> NDArray[np.float64]:
    """Weights of a logistic regression, float64[n, k] and bool[n] -> float64[k], both classes weighing alike."""
    share = min(max(float(there.mean()), 1e-6), 1 - 1e-6)
    importance = np.where(there, 0.5 / share, 0.5 / (1 - share))
    weights = np.zeros(rows.shape[1])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))
        gradient = rows.T @ (importance * (p - there)) + PENALTY * weights
        bend = (rows.T * (importance * p * (1 - p))) @ rows + PENALTY * np.eye(len(weights))
        weights = weights - np.linalg.solve(bend, gradient)
    return weights


def told(evidence: Evidence) -> str:
    """Everything fitted, to be read."""
    lines = ["probabilities from which a slip is told (fitted to all; false and found in voices left out)"]
    lines += [
        f"  {one.kind:22} {one.p:.3f}   false {one.false} of {one.right}   found {one.found} of {one.slips}"
        for one in thresholds(evidence.chances)
    ]
    fitted = qalqalah(evidence.echoes)
    if fitted is not None:
        lines.append(
            f"qalqalah: CONSTANT {fitted.constant:.2f}, ECHO_SECOND {fitted.echo_second:.1f}, EAR_NAT "
            f"{fitted.ear_nat:.2f}, MISSING {fitted.missing:.2f}   false {fitted.false} of {fitted.right}   found "
            f"{fitted.found} of {fitted.slips}"
        )
        accused = [echo.slipped for echo in evidence.echoes if _odds(AS_THEY_ARE, echo) < MISSING]
        lines.append(f"  with those in the code: false {accused.count(False)}   found {accused.count(True)}")
    medians = {pair: float(np.median(lags)) for pair, lags in evidence.lags_ms.items() if len(lags) >= LEAST_LAGS}
    lines.append("lags of the ear, ms: " + ", ".join(f"{pair} {medians[pair]:.0f}" for pair in sorted(medians)))
    return "\n".join(lines)
