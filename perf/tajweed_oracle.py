"""Compare the rule tagger with quranic-phonemizer, which knows nothing of quran-transcript, over the whole Quran.

The oracle is no dependency of the project.  In an environment of its own, with quranic-phonemizer 3.0.5 (MIT), run
``python perf/tajweed_oracle.py dump rules.jsonl``, which takes four minutes; then in the project's ``python
perf/tajweed_oracle.py compare rules.jsonl``.  Each surah is recited in one breath (``joined``), stopping at each ayah
(``ayah``), and each word by itself (``alone``).  Compared are the numbers of instances a word has of each rule.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ALONE = "alone"
CONTEXTS = ("joined", "ayah", ALONE)
_HEAVY = {"sˤ", "dˤ", "tˤ", "ðˤ", "q", "x", "ɣ"}
_PLAIN = {
    "ghunnah_mushaddadah": "ghunnah",
    "idgham_bi_ghunnah": "idgham_ghunnah",
    "idgham_bila_ghunnah": "idgham_no_ghunnah",
    "idgham_mutamathilayn": "idgham_mithlayn",
    "idgham_mutajanisayn_kamil": "idgham_mutajanisayn",
    "idgham_mutajanisayn_naqis": "idgham_mutajanisayn",
    "idgham_mutaqaribayn": "idgham_mutaqaribayn",
    "idgham_shafawi": "idgham_shafawi",
    "ikhfaa": "ikhfa",
    "ikhfaa_shafawi": "ikhfa_shafawi",
    "iqlab": "iqlab",
    "izhar": "izhar",
    "izhar_shafawi": "izhar_shafawi",
    "qalqala_sughra": "qalqalah_sughra",
    "qalqala_kubra": "qalqalah_kubra",
    "qalqala_akbar": "qalqalah_kubra",
}
_MADDS = (
    ("madd_iwad", "madd_iwad"), ("madd_lazim", "madd_lazim"), ("madd_muttasil", "madd_muttasil"),
    ("madd_munfasil", "madd_munfasil"), ("madd_arid_lissukun", "madd_arid"), ("madd_leen", "madd_leen"),
    ("madd_badal", "madd_badal"), ("madd_tabii", "madd_tabii"),
)  # fmt: skip
"""The oracle may give a vowel several names; ours is the first of these."""


def dump(out: Path) -> None:
    """Write what the oracle says of every word in every context, one line each."""
    from quranic_phonemizer import Phonemizer  # type: ignore[import-not-found]

    reader = Phonemizer()
    with out.open("w") as lines:
        for surah in range(1, 115):
            joined = reader.analyse(str(surah))
            results = [("joined", joined), ("ayah", reader.analyse(str(surah), stop_signs=("verse",)))]
            results += [(ALONE, reader.analyse(word.ref)) for word in joined.words]
            for context, result in results:
                for word in _oracle_words(result):
                    line = {"context": context, **word}
                    lines.write(json.dumps(line, ensure_ascii=False) + "\n")


def _oracle_words(result: Any) -> Iterator[dict[str, Any]]:
    """Words with their sounds and the rules of each, and the rules that have no sound in the word itself."""
    stops = {edge.before.value for edge in result.boundaries if edge.before is not None and edge.state.value != "join"}
    across: dict[int, list[str]] = defaultdict(list)
    own: dict[int, list[str]] = defaultdict(list)
    for occurrence in result.rule_occurrences:
        rule, words = occurrence.rule_id.value, [word.value for word in occurrence.word_ids]
        if len(words) > 1 or not occurrence.sound_ids:
            across[words[0]].append(rule)
        else:
            own[occurrence.sound_ids[0].value].append(rule)  # a heavy letter takes its vowel along
    tokens = {sound.id.value: sound.token for sound in result.sounds}
    for word in result.words:
        sounds = [(tokens[sound.value], own[sound.value]) for sound in word.sound_ids]
        yield {"at": word.ref, "stopped": word.id.value in stops, "sounds": sounds, "others": across[word.id.value]}


def oracle_rules(word: dict[str, Any]) -> Counter[str]:
    """A word's rules by our names."""
    sounds: list[tuple[str, list[str]]] = word["sounds"]
    others: list[str] = word["others"]
    if word["stopped"]:  # a final ن or م that is stopped at has no rule with us
        token, rules = sounds[-1]
        sounds = [*sounds[:-1], (token, [rule for rule in rules if not rule.startswith("izhar")])]
    found: Counter[str] = Counter(_PLAIN[rule] for rule in others if rule in _PLAIN)
    for token, rules in sounds:
        found.update(_PLAIN[rule] for rule in rules if rule in _PLAIN)
        found.update(name for rule in rules if (name := _weight(token, rule)))
        if any(rule.startswith("madd") for rule in rules):
            found[_madd(rules)] += 1
    heard = [rule for _, rules in sounds for rule in rules]
    found["hamzat_wasl"] = sum(1 for rule in others if rule == "hamza_wasl_silent") + sum(
        1 for _, rules in sounds if any(rule.startswith("hamza_wasl") for rule in rules)
    )
    stops = any(rule.startswith("waqf") for rule in heard + others)
    found["waqf"] = int(stops or "madd_iwad" in heard or (word["stopped"] and "pausal_alif" in heard))
    # An idgham of م in م, or of ن in ن, is one of two alike as well: ours have one name.
    if "idgham_mutamathilayn" in others and not found.keys().isdisjoint(("idgham_shafawi", "idgham_ghunnah")):
        found["idgham_mithlayn"] -= 1
    return +found


def _weight(token: str, rule: str) -> str | None:
    letter = token[: len(token) // 2] if token[: len(token) // 2] == token[len(token) // 2 :] else token
    if rule == "tafkheem" and letter in _HEAVY | {"rˤ", "lˤ"}:
        return "tafkhim"
    return "tarqiq_ra" if rule == "tarqeeq" and letter == "r" else None


def _madd(rules: list[str]) -> str:
    if "madd_silah" in rules:
        return "madd_silah_kubra" if "madd_munfasil" in rules else "madd_silah_sughra"
    return next(ours for theirs, ours in _MADDS if theirs in rules)


def our_rules() -> Iterator[tuple[str, str, str, Counter[str]]]:
    """(context, address, text, rules) of every word by the tagger; what has two ways is read as the oracle reads it."""
    from recitation.lexicon import default_lexicon
    from recitation.mushaf import AYAT_PER_SURAH, Reference
    from recitation.tajweed.moshaf import TAFKHIM, TARQIQ, Moshaf
    from recitation.tajweed.rules import Instance, Rule
    from recitation.tajweed.tagger import instances

    moshaf = Moshaf(ra_firq=TARQIQ, ra_qitr=TARQIQ, ra_misr=TAFKHIM, ra_nudhur=TARQIQ, ra_yasr=TARQIQ)

    def named(text: str, found: tuple[Instance, ...]) -> Counter[str]:
        names: Counter[str] = Counter()
        for one in found:
            if one.rule is Rule.TARQIQ:
                names["tarqiq_ra"] += text[one.letters[0]] == "ر"
            elif one.rule is not Rule.SAKT:
                names[one.rule.value] += 1
        return +names

    lexicon = default_lexicon()
    for surah, ayat in enumerate(AYAT_PER_SURAH, 1):
        words = lexicon.words(Reference(surah, 1, ayat))
        for context in CONTEXTS:
            for n, word in enumerate(words):
                begins, ends = n == 0, n == len(words) - 1
                if context == "ayah":
                    begins = begins or words[n - 1].ayah != word.ayah
                    ends = ends or words[n + 1].ayah != word.ayah
                elif context == ALONE:
                    begins = ends = True
                form = word.form(started=begins, stopped=ends)
                after = None if ends else words[n + 1].joined[0]
                yield context, word.at, word.text, named(word.text, instances(word, form, after=after, moshaf=moshaf))


def compare(path: Path, examples: int) -> None:
    """Print for each context and rule how many instances both see, and which only one does."""
    theirs: dict[tuple[str, str], Counter[str]] = {}
    with path.open() as lines:
        for line in map(json.loads, lines):
            theirs[line["context"], line["at"]] = oracle_rules(line)
    both: Counter[tuple[str, str]] = Counter()
    only: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    missing = 0
    for context, at, text, ours in our_rules():
        other = theirs.pop((context, at), None)
        if other is None:
            missing += 1
            continue
        for rule in ours.keys() | other.keys():
            both[context, rule] += min(ours[rule], other[rule])
            only[context, rule, "ours"] += [f"{at} {text}"] * max(0, ours[rule] - other[rule])
            only[context, rule, "oracle"] += [f"{at} {text}"] * max(0, other[rule] - ours[rule])
    print(f"words the oracle lacks: {missing}; words only the oracle has: {len(theirs)}")
    print(f"{'context':8}{'rule':24}{'both':>7}{'ours':>6}{'oracle':>7}  (only)")
    for context, rule in sorted(both):
        ours_only, theirs_only = only[context, rule, "ours"], only[context, rule, "oracle"]
        print(f"{context:8}{rule:24}{both[context, rule]:7}{len(ours_only):6}{len(theirs_only):7}")
        for side, places in (("ours", ours_only), ("oracle", theirs_only)):
            if places and examples:
                print(f"        {side}: " + "; ".join(places[:examples]))


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("dump", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--examples", type=int, default=0, help="places to name of each disagreement")
    chosen = parser.parse_args()
    if chosen.task == "dump":
        dump(chosen.file)
    else:
        compare(chosen.file, chosen.examples)


if __name__ == "__main__":
    main()
