"""The moshaf: how a student's reading of Hafs chooses among the ways that are transmitted.

Only what changes a length or the name of a rule can be chosen; the phones are those of the frozen lexicon
(``recitation.lexicon_build.MOSHAF``).  The other attributes of quran-transcript's ``MoshafAttributes`` are understood
and refused where they ask for other phones (``FROZEN``).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from recitation.tajweed.rules import Rule

Counts = tuple[float, float]
ANY = "any"
"""How a length that is free is written; ``None`` in ``Moshaf``."""
EITHER = "either"
TAFKHIM, TARQIQ = Rule.TAFKHIM.value, Rule.TARQIQ.value
SAKT, IDRAJ = "sakt", "idraj"
TAHQIQ, LOCAL_SAKT, GENERAL_SAKT = "tahqiq", "local_sakt", "general_sakt"


class MoshafError(ValueError):
    """The settings contradict each other, or ask for what does not exist or is not there yet."""


@dataclass(frozen=True, slots=True)
class Moshaf:
    """Settings of the reading.  Raises MoshafError when they contradict each other.

    Lengths are harakat; where ``None`` is allowed it means that any length transmitted is right, and only steadiness
    can be asked for.  A ra that may be read both ways is ``"tafkhim"``, ``"tarqiq"`` or ``"either"``.
    """

    munfasil: int = 4
    """Also the greater madd of silah."""
    muttasil: int = 4
    muttasil_waqf: int | None = None
    """Muttasil before a hamzah stopped at; None: from ``muttasil`` to 6."""
    arid: int | None = None
    leen: int | None = None
    """Never longer than ``arid``."""
    ain: int | None = None
    """The letter ʿayn that opens surahs 19 and 42; None: 4 to 6."""
    mim_al_imran: int | None = None
    """The mīm of 3:1 joined to 3:2; None: 2 to 6."""
    ra_firq: str = EITHER
    """26:63, joined."""
    ra_qitr: str = EITHER
    """34:12, stopped at."""
    ra_misr: str = EITHER
    """10:87, 12:21, 12:99 and 43:51, stopped at."""
    ra_nudhur: str = EITHER
    """54:16, 18, 21, 30, 37 and 39, stopped at."""
    ra_yasr: str = EITHER
    """89:4, and asri in 11:81, 15:65, 20:77, 26:52 and 44:23, stopped at."""
    sakt_marqadina: str = SAKT
    """36:52: ``"sakt"`` or ``"idraj"`` (read on)."""
    sakin_before_hamzah: str = TAHQIQ
    """``"tahqiq"`` (read on), ``"local_sakt"`` (after the article, شيء and the end of a word) or ``"general_sakt"``
    (within a word too)."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            allowed = _ALLOWED[name]
            # bool is an int to Python, not to a reader.
            if isinstance(value, bool) or value not in allowed:
                raise MoshafError(f"{name}={_written(value)}: it can be {_listed(allowed)}")
        if self.munfasil > self.muttasil:
            raise MoshafError(
                f"munfasil={self.munfasil} is longer than muttasil={self.muttasil}: the hamzah of the same word is the "
                "stronger cause, so munfasil is at most as long"
            )
        if self.muttasil_waqf is not None and self.muttasil_waqf < self.muttasil:
            raise MoshafError(
                f"muttasil_waqf={self.muttasil_waqf} is shorter than muttasil={self.muttasil}: a stop can only "
                "lengthen it"
            )
        if self.arid is not None and self.leen is not None and self.leen > self.arid:
            raise MoshafError(f"leen={self.leen} is longer than arid={self.arid}: leen is at most as long")

    def counts(self, rule: Rule) -> Counts | None:
        """Least and most harakat of a rule; None where length is no part of it."""
        match rule:
            case Rule.MADD_MUNFASIL | Rule.MADD_SILAH_KUBRA:
                return _exactly(self.munfasil)
            case Rule.MADD_MUTTASIL:
                return _exactly(self.muttasil)
            case Rule.MADD_ARID:
                return _exactly(self.arid) if self.arid else (2, 6)
            case Rule.MADD_LEEN:
                return _exactly(self.leen) if self.leen else (2, self.arid or 6)
            case _:
                return _FIXED.get(rule)

    @property
    def muttasil_waqf_counts(self) -> Counts:
        """Muttasil whose hamzah is stopped at."""
        return _exactly(self.muttasil_waqf) if self.muttasil_waqf else (self.muttasil, 6)

    @property
    def ain_counts(self) -> Counts:
        """The letter ʿayn at the begin of surahs 19 and 42."""
        return _exactly(self.ain) if self.ain else (4, 6)

    @property
    def mim_al_imran_counts(self) -> Counts:
        """The mīm of 3:1 with the fatḥah that joins it to 3:2."""
        return _exactly(self.mim_al_imran) if self.mim_al_imran else (2, 6)

    def to_dict(self) -> dict[str, int | str]:
        """Every setting, as JSON can hold it."""
        return {name: ANY if value is None else value for name, value in asdict(self).items()}

    def __str__(self) -> str:
        """What differs from the defaults, as ``parse`` reads it."""
        ours, usual = self.to_dict(), Moshaf().to_dict()
        return ",".join(f"{name}={value}" for name, value in ours.items() if value != usual[name])

    @classmethod
    def from_dict(cls, settings: Mapping[str, object]) -> "Moshaf":
        """Settings by our names or quran-transcript's, on top of the defaults.  Raises MoshafError."""
        chosen: dict[str, int | str | None] = {}
        for given, value in settings.items():
            name = _ALIASES.get(given, given)
            if name in FROZEN:
                _check_frozen(name, value)
            elif name not in _ALLOWED:
                raise MoshafError(f"there is no setting {given!r}: known are {', '.join(_ALLOWED)}")
            elif name in chosen:
                raise MoshafError(f"{name} is given twice")
            else:
                chosen[name] = _read(name, value)
        return cls(**chosen)  # type: ignore[arg-type]  # __post_init__ checks every value

    @classmethod
    def parse(cls, text: str) -> "Moshaf":
        """Read ``munfasil=5,muttasil=5`` or a JSON object; an empty string is the default.  Raises MoshafError."""
        if text.lstrip().startswith("{"):
            try:
                return cls.from_dict(json.loads(text))
            except json.JSONDecodeError as error:
                raise MoshafError(f"the moshaf is no JSON object: {error}") from error
        settings: dict[str, object] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not (name and equals and value):
                raise MoshafError(f"{part!r} is no setting: write name=value, for instance munfasil=5,muttasil=5")
            if name in settings:
                raise MoshafError(f"{name} is given twice")
            settings[name] = value
        return cls.from_dict(settings)


_RA = (TAFKHIM, TARQIQ, EITHER)
_ALLOWED: dict[str, tuple[int | str | None, ...]] = {
    "munfasil": (2, 3, 4, 5),
    "muttasil": (4, 5, 6),
    "muttasil_waqf": (4, 5, 6, None),
    "arid": (2, 4, 6, None),
    "leen": (2, 4, 6, None),
    "ain": (2, 4, 6, None),
    "mim_al_imran": (2, 6, None),
    "ra_firq": _RA,
    "ra_qitr": _RA,
    "ra_misr": _RA,
    "ra_nudhur": _RA,
    "ra_yasr": _RA,
    "sakt_marqadina": (SAKT, IDRAJ),
    "sakin_before_hamzah": (TAHQIQ, LOCAL_SAKT, GENERAL_SAKT),
}

_FIXED: dict[Rule, Counts] = {
    **dict.fromkeys((Rule.MADD_TABII, Rule.MADD_BADAL, Rule.MADD_IWAD, Rule.MADD_SILAH_SUGHRA), (2, 2)),
    Rule.MADD_LAZIM: (6, 6),
    **dict.fromkeys(
        (Rule.GHUNNAH, Rule.IDGHAM_GHUNNAH, Rule.IDGHAM_SHAFAWI, Rule.IKHFA, Rule.IKHFA_SHAFAWI, Rule.IQLAB), (2, 2)
    ),
}
"""Lengths no setting changes."""

_ALIASES = {
    "madd_monfasel_len": "munfasil",
    "madd_mottasel_len": "muttasil",
    "madd_mottasel_waqf": "muttasil_waqf",
    "madd_aared_len": "arid",
    "madd_alleen_len": "leen",
    "madd_yaa_alayn_alharfy": "ain",
    "meem_aal_imran": "mim_al_imran",
    "raa_firq": "ra_firq",
    "raa_alqitr": "ra_qitr",
    "raa_misr": "ra_misr",
    "raa_nudhur": "ra_nudhur",
    "raa_yasr": "ra_yasr",
    "sakt_marqdena": "sakt_marqadina",
    "saken_before_hamz": "sakin_before_hamzah",
}
"""quran-transcript's names of settings."""

_SYNONYMS: dict[str, dict[str, str]] = {
    **{
        name: {"tafkheem": TAFKHIM, "tarqeeq": TARQIQ, "waqf": EITHER, "wasl": EITHER}
        for name in _ALLOWED
        if name[:3] == "ra_"
    },
    "sakt_marqadina": {"waqf": SAKT},
    "sakin_before_hamzah": {"tahqeek": TAHQIQ},
    "mim_al_imran": {"wasl_2": "2", "wasl_6": "6", "waqf": ANY},
}
"""quran-transcript's values.  Those that tell where the reciter stops leave the choice open."""

FROZEN: dict[str, tuple[str, ...]] = {
    "rewaya": ("hafs",),
    "recitation_speed": ("mujawad", "above_murattal", "murattal", "hadr"),
    "takbeer": ("no_takbeer",),
    "ghonna_lam_and_raa": ("no_ghonna",),
    "sakt_iwaja": ("sakt", "waqf"),
    "sakt_man_raq": ("sakt", "waqf"),
    "sakt_bal_ran": ("sakt", "waqf"),
    "sakt_maleeyah": ("sakt", "waqf"),
    "between_anfal_and_tawba": ("waqf",),
    "noon_and_yaseen": ("izhar",),
    "yaa_ataan": ("ithbat", "wasl"),
    "start_with_ism": ("alism", "wasl"),
    "yabsut": ("seen",),
    "bastah": ("seen",),
    "almusaytirun": ("saad",),
    "bimusaytir": ("saad",),
    "tasheel_or_madd": ("madd",),
    "yalhath_dhalik": ("idgham", "waqf"),
    "irkab_maana": ("idgham", "waqf"),
    "noon_tamnna": ("ishmam",),
    "harakat_daaf": ("fath",),
    "alif_salasila": ("hadhf", "wasl"),
    "idgham_nakhluqkum": ("idgham_kamil",),
    "meem_mokhfah": ("ikhfaa",),
}
"""quran-transcript's other attributes: the values whose phones the lexicon holds.  The tempo is measured, not set."""


def _check_frozen(name: str, value: object) -> None:
    if value not in FROZEN[name]:
        raise MoshafError(
            f"{name}={_written(value)} is not there yet: it changes the phones, and the lexicon holds "
            f"{' and '.join(FROZEN[name])}"
        )


def _read(name: str, value: object) -> int | str | None:
    """A value as its field holds it; what makes no sense is left to ``Moshaf`` to refuse."""
    if value is None:
        return None
    if isinstance(value, str):
        value = _SYNONYMS.get(name, {}).get(value, value)
        if isinstance(_DEFAULTS[name], str):
            return value
        if value == ANY:
            return None
        return int(value) if value.isascii() and value.isdigit() else value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise MoshafError(f"{name}={_written(value)}: it can be {_listed(_ALLOWED[name])}")


_DEFAULTS = {field.name: field.default for field in fields(Moshaf)}


def _exactly(counts: int) -> Counts:
    return (counts, counts)


def _written(value: object) -> str:
    return ANY if value is None else value if isinstance(value, str) else json.dumps(value, default=repr)


def _listed(values: tuple[int | str | None, ...]) -> str:
    return ", ".join(_written(value) for value in values[:-1]) + f" or {_written(values[-1])}"
