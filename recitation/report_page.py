"""``talaqqi score --report``: a judged recitation as one HTML file, with a picture and the sound of every slip."""

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.events import PhoneVerdict, Status, Summary, WordReport
from recitation.letters import Said
from recitation.paper import BASE_STYLE, font_face, inlined, page
from recitation.pictures import STYLE as PICTURE_STYLE
from recitation.pictures import Moment, picture, pitch_of
from recitation.prosody.pitch import SwiftPitch
from recitation.slips import Slip, slips_of
from recitation.sound_files import encode_opus
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import Severity

AROUND = SAMPLE_HZ * 2 // 5
"""Shown and played before and after a slip: 0.4 s."""
LONGEST = 6 * SAMPLE_HZ

REPORT_STYLE = """
:root{--accepted:#147a55;--advice:#8a6a00;--error:#c2491a;--unclear:#5c6570}
@media (prefers-color-scheme:dark){:root{--accepted:#4bcf9b;--advice:#e2bd4b;--error:#ff9457;--unclear:#9aa6b2}}
[lang=ar]{font-family:Quran,"Noto Naskh Arabic",serif;line-height:1.9}
.verse{font:30px/2.3 Quran,"Amiri Quran","Noto Naskh Arabic",serif;direction:rtl;text-align:right}
.verse a,.verse span{color:inherit;text-decoration:none;padding:0 .12em}
.verse .number{font:15px system-ui,sans-serif;color:var(--muted)}
.advised{border-bottom:3px dotted var(--advice)}.erred{border-bottom:3px solid var(--error)}
.unclear{color:var(--unclear)!important}.unread{opacity:.35}
.omitted{text-decoration:line-through!important}
.card{display:grid;gap:4px 24px;grid-template-columns:minmax(0,1fr) minmax(0,1.3fr)}
@media (max-width:760px){.card{grid-template-columns:minmax(0,1fr)}}
.card h2 b{font:26px/1.8 Quran,"Noto Naskh Arabic",serif;margin-inline-end:.4em}
.card mark{background:none;color:var(--error)}.card.advice mark{color:var(--advice)}
.kind{font-weight:600;color:var(--error)}.advice .kind{color:var(--advice)}
.card p[lang=ar]{font-size:19px;direction:rtl;text-align:right;margin-bottom:4px}
.figures{color:var(--muted);font-size:13px}audio{width:100%;height:32px;margin-top:6px}
@media print{audio{display:none}section{break-inside:avoid}}
"""


def report_page(title: str, pcm: Pcm, summary: Summary, font: bytes | None = None) -> str:
    """The whole page; ``pcm`` is the recording, float32[n] at 16 kHz, ``font`` a WOFF2 with Quranic marks."""
    style = font_face("Quran", font) + BASE_STYLE + PICTURE_STYLE + REPORT_STYLE
    return page(f"Talaqqi: {escape(title)}", style, "".join(_sections(title, pcm, summary)))


def _sections(title: str, pcm: Pcm, summary: Summary) -> Iterator[str]:
    slips = slips_of(summary)
    yield f"<header><h1>{escape(title)}</h1><p class=about>{_about(summary, slips)}</p></header>"
    yield f"<section>{''.join(_verses(summary.words, slips))}</section>"
    if summary.rules:
        yield f"<section><h2>Rules of tajweed</h2><div class=wide>{_rules(summary)}</div></section>"
    phones = [phone for word in summary.words for phone in word.phones]
    words = {word.at: word.text for word in summary.words}
    network = SwiftPitch()
    for number, slip in enumerate(slips):
        yield _card(number, slip, words[slip.at], pcm, phones, network)


def _about(summary: Summary, slips: Sequence[Slip]) -> str:
    reached = sum(word.start is not None for word in summary.words)
    parts = [
        f"{summary.samples / SAMPLE_HZ:.0f} s",
        f"{summary.count(Status.ACCEPTED)} of {reached} words accepted",
        f"rules broken: {sum(slip.severity is Severity.ERROR for slip in slips)}",
        f"to listen to again: {sum(slip.severity is Severity.ADVICE for slip in slips)}",
    ]
    if summary.tempo is not None:
        tempo = summary.tempo
        parts.append(f"one count {tempo.harakah * 1000:.0f} ± {tempo.uncertainty * 1000:.0f} ms")
    prosody = summary.prosody
    if prosody is not None:
        if prosody.pitch is not None:
            pitch = prosody.pitch
            parts.append(f"pitch {pitch.median_hz:.0f} Hz ({pitch.low_hz:.0f}–{pitch.high_hz:.0f})")
        if prosody.phones_per_s is not None:
            parts.append(f"{prosody.phones_per_s:.1f} sounds a second")
        parts.append(f"phrases: {prosody.phrases}, breaths: {prosody.breaths}")
    return " · ".join(parts)


def _verses(words: Sequence[WordReport], slips: Sequence[Slip]) -> Iterator[str]:
    first: dict[str, int] = {}
    worst: dict[str, Severity] = {}
    for number, slip in enumerate(slips):
        first.setdefault(slip.at, number)
        if worst.get(slip.at) is not Severity.ERROR:
            worst[slip.at] = slip.severity
    for ayah, own in groupby(words, lambda word: word.at.rsplit(":", 1)[0]):
        shown = " ".join(_word(word, first.get(word.at), worst.get(word.at)) for word in own)
        yield f'<p class=verse lang="ar">{shown} <span class=number>{ayah}</span></p>'


def _word(word: WordReport, slip: int | None, worst: Severity | None) -> str:
    classes = {Status.UNCLEAR: "unclear", Status.NOT_REACHED: "unread", Status.OMITTED: "omitted"}
    marked = {Severity.ERROR: "erred", Severity.ADVICE: "advised", None: ""}
    names = f"{classes.get(word.status, '')} {marked.get(worst, '')}".strip()
    if slip is None:
        return f'<span class="{names}">{escape(word.text)}</span>'
    return f'<a class="{names}" href="#slip{slip}">{escape(word.text)}</a>'


def _rules(summary: Summary) -> str:
    counts: dict[Rule, Counter[Severity]] = {}
    for verdict in summary.rules:
        counts.setdefault(verdict.rule, Counter())[verdict.severity] += 1
    rows = "".join(
        f'<tr><td>{escape(rule.label.en)}<td lang="ar">{rule.label.ar}'
        + "".join(f"<td>{counts[rule][severity] or ''}" for severity in Severity)
        for rule in Rule
        if rule in counts
    )
    head = "".join(f"<th>{name}" for name in ("rule", "", "kept", "listen again", "broken", "not judged"))
    return f"<table><thead><tr>{head}</thead><tbody>{rows}</tbody></table>"


def _card(number: int, slip: Slip, word: str, pcm: Pcm, phones: Sequence[PhoneVerdict], network: SwiftPitch) -> str:
    begin, end = slip.letters
    text = f"{escape(word[:begin])}<mark>{escape(word[begin : end + 1])}</mark>{escape(word[end + 1 :])}"
    name = slip.name or _KINDS.get(slip.rule, Said("", slip.rule.replace("_", " ")))
    said = f'<p lang="ar">{slip.text.ar}. {slip.fix.ar}.</p><p>{escape(slip.text.en)}. {escape(slip.fix.en)}.</p>'
    figures = " · ".join(_figures(slip))
    shown = "" if slip.end <= slip.start else _moment(slip, pcm, phones, network)
    return (
        f'<section id="slip{number}" class="card {slip.severity}"><div><h2><b lang="ar">{text}</b></h2>'
        f'<p class=kind>{escape(name.en)} <span lang="ar">{name.ar}</span></p>{said}'
        f"<p class=figures>{figures}</p></div><div>{shown}</div></section>"
    )


_KINDS = {"omitted": Said("كلمة متروكة", "word left out")}


def _figures(slip: Slip) -> Iterator[str]:
    yield slip.at
    yield f"{slip.start / SAMPLE_HZ:.2f} s"
    if isinstance(slip.expected, tuple) and isinstance(slip.measured, float):
        low, high = slip.expected
        wanted = f"{low:g}" if low == high else f"{low:g}–{high:g}"
        spread = "" if slip.uncertainty is None else f" ± {slip.uncertainty:.1f}"
        yield f"{wanted} counts expected, {slip.measured:.1f}{spread} heard"
    yield f"confidence {slip.confidence:.0%}"


def _moment(slip: Slip, pcm: Pcm, phones: Sequence[PhoneVerdict], network: SwiftPitch) -> str:
    start = max(0, slip.start - AROUND)
    moment = Moment(start, min(len(pcm), slip.end + AROUND, start + LONGEST), (slip.start, slip.end))
    contours = pitch_of(pcm, moment, network)
    sound = inlined("audio/ogg", encode_opus(pcm[moment.start : moment.end]))
    title = f"{slip.at}, {slip.rule.replace('_', ' ')}: spectrogram and pitch"
    return f'{picture(moment, pcm, phones, contours, title)}<audio controls preload="none" src="{sound}"></audio>'
