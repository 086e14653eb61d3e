"""From what was counted in each take to figures of rules, kinds of slips and groups of voices, as JSON holds them."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from recitation.tajweed.measure import ACCUSING, Judged, Measured, Tried
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import Severity

Row = dict[str, object]

Z = 1.959964
"""Two-sided 95 % of the normal distribution."""


def wilson(found: int, total: int) -> list[float]:
    """95 % interval of a share (Wilson, 1927); from 0 to 1 when there is nothing to go by.

    Instances count as independent, which those of one voice are not: the interval speaks of the voices heard.
    """
    if not total:
        return [0.0, 1.0]
    share, spread = found / total, Z * Z / total
    middle = (share + spread / 2) / (1 + spread)
    reach = Z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return [round(max(0.0, middle - reach), 4), round(min(1.0, middle + reach), 4)]


def _share(row: Row, name: str, found: int, total: int) -> None:
    """Put a share and its interval into a row; nothing when there is nothing to count."""
    if total:
        row[name], row[f"{name}_ci"] = round(found / total, 4), wilson(found, total)


def summarise(measured: Sequence[Measured]) -> Row:
    """Figures by group, by rule and group, and by kind of slip and group."""
    groups: dict[str, list[Measured]] = {}
    for one in sorted(measured, key=lambda one: one.group):
        groups.setdefault(one.group, []).append(one)
    rules: dict[str, dict[str, Row]] = {}
    slips: dict[str, dict[str, Row]] = {}
    for group, takes in groups.items():
        judged = [instance for take in takes for instance in take.judged]
        tried = [slip for take in takes for slip in take.tried]
        for rule in Rule:
            row = _rule([one for one in judged if one.rule is rule], [one for one in tried if one.spoiled.rule is rule])
            if row["instances"]:
                rules.setdefault(rule.value, {})[group] = row
        for kind in dict.fromkeys(one.spoiled.kind for one in tried):
            slips.setdefault(kind, {})[group] = found_in([one for one in tried if one.spoiled.kind == kind])
    return {"groups": {group: _group(takes) for group, takes in groups.items()}, "rules": rules, "slips": slips}


def _group(takes: Sequence[Measured]) -> Row:
    judged = [instance for take in takes for instance in take.judged]
    seconds = sum(take.seconds for take in takes)
    row: Row = {"takes": len(takes), "minutes": round(seconds / 60, 2)} | alarms(judged)
    for name, severity in (("errors", Severity.ERROR), ("advice", Severity.ADVICE)):
        row[f"{name}_per_minute"] = round(60 * sum(one.live is severity for one in judged) / seconds, 3)
    row["cpu_ms_per_s"] = round(1000 * sum(take.cpu_s for take in takes) / seconds, 2)
    return row


def _rule(judged: Sequence[Judged], tried: Sequence[Tried]) -> Row:
    row = alarms(judged)
    if tried:
        slips = row["slips"] = found_in(tried)
        for name, accused in (("error", (Severity.ERROR,)), ("any", ACCUSING)):
            wrong = sum(one.live in accused for one in judged) / max(1, len(judged))
            right = sum(one.after in accused for one in tried) / len(tried)
            if right + wrong:
                slips[f"precision_{name}"] = round(right / (right + wrong), 4)
    return row


def alarms(judged: Sequence[Judged]) -> Row:
    """What was said of rules that were kept.

    ``unclear`` counts what got no answer too.  ``agreement`` is the share of the places answered about, live or
    offline, that were answered alike.
    """
    row: Row = {"instances": len(judged)}
    for name, severities in (
        ("error", (Severity.ERROR,)), ("advice", (Severity.ADVICE,)), ("unclear", (Severity.UNCLEAR, None)),
    ):  # fmt: skip
        _share(row, name, sum(one.live in severities for one in judged), len(judged))
    row["unanswered"] = sum(one.live is None for one in judged)
    answered = [one for one in judged if one.live is not None or one.offline is not None]
    _share(row, "agreement", sum(one.live is one.offline for one in answered), len(answered))
    row["delay_ms"] = _delays(one.delay_ms for one in judged)
    return row


def found_in(tried: Sequence[Tried]) -> Row:
    """What was said of slips that were made.

    ``error`` and ``any`` (an error or advice) are recall; ``before_*`` is how often the untouched twins were accused
    likewise, ``unclear`` the slips without a verdict, ``named`` the share of those found whose slip was named, and
    ``neighbours_kept`` the share of phones beside a slip, accepted in the twin, that are accepted beside it too.
    """
    total = len(tried)
    row: Row = {"n": total}
    for name, accused in (("error", (Severity.ERROR,)), ("any", ACCUSING)):
        _share(row, name, sum(one.after in accused for one in tried), total)
        row[f"before_{name}"] = round(sum(one.before in accused for one in tried) / total, 4)
    _share(row, "unclear", sum(one.after in (Severity.UNCLEAR, None) for one in tried), total)
    found = [one for one in tried if one.after in ACCUSING]
    _share(row, "named", sum(one.named for one in found), len(found))
    accepted = sum(one.accepted_before for one in tried)
    _share(row, "neighbours_kept", sum(one.accepted_after for one in tried), accepted)
    return row


def _delays(delays: Iterable[float | None]) -> Row:
    known = [delay for delay in delays if delay is not None]
    if not known:
        return {"n": 0}
    p50, p95 = np.percentile(known, [50, 95])
    return {"n": len(known), "p50": round(float(p50)), "p95": round(float(p95))}
