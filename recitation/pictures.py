"""Pictures of a moment of recitation: spectrogram, pitch and phones over one axis of time, as SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape

import av
import numpy as np
from numpy.typing import NDArray

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.events import PhoneVerdict
from recitation.paper import inlined
from recitation.prosody.pitch import HOP_SAMPLES, Contour, PitchSession, SwiftPitch

WINDOW, HOP, SIZE = 320, 80, 512
"""Samples of the analysis window (20 ms), between windows (5 ms), and of the Fourier transform."""
TOP_HZ = 6000
RANGE_DB = 55.0
"""Shown below the loudest point."""
WIDTH, HEIGHT, AXIS = 640, 200, 44
"""Of the picture, and of the labels below it, in SVG units."""
LOWEST_HZ, HIGHEST_HZ = 70.0, 500.0
"""Pitch at the bottom and at the top of the picture, logarithmic."""

STYLE = """
svg.moment{--ink:#1f2328;--pitch:#0b63c5;--slip:#c2491a;font:11px system-ui,sans-serif}
@media (prefers-color-scheme:dark){svg.moment{--ink:#e6edf3;--pitch:#62abff;--slip:#ff9457}
svg.moment image{filter:invert(1)}}
.moment text{fill:var(--ink);text-anchor:middle}.moment .unit{font:15px Quran,"Noto Naskh Arabic",serif}
.moment .pitch{fill:none;stroke:var(--pitch);stroke-width:2.5}
.moment .edge{stroke:var(--ink);stroke-opacity:.35;stroke-dasharray:2 3}
.moment .slip{fill:var(--slip);fill-opacity:.16;stroke:var(--slip);stroke-width:1.5}
"""


def png(image: NDArray[np.uint8]) -> bytes:
    """A grey picture, uint8[height, width], as PNG."""
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.height, encoder.width = image.shape
    encoder.pix_fmt, encoder.time_base = "gray", Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(image, format="gray")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def spectrogram(pcm: Pcm) -> NDArray[np.uint8]:
    """Power over time and frequency, float32[n] at 16 kHz -> uint8[bins, frames]: dark where loud, low bands below."""
    if len(pcm) < WINDOW:
        pcm = np.pad(pcm, (0, WINDOW - len(pcm)))
    frames = np.lib.stride_tricks.sliding_window_view(pcm, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.square(np.abs(np.fft.rfft(frames, SIZE)))[:, : TOP_HZ * SIZE // SAMPLE_HZ].T
    level = 10 * np.log10(power + 1e-10)
    level += np.linspace(0.0, 12.0, len(level))[:, None]  # high bands are weak in every voice
    shade = np.clip((level - (level.max() - RANGE_DB)) / RANGE_DB, 0.0, 1.0)
    return np.ascontiguousarray(np.rint(255 * (1 - shade[::-1] ** 1.3)).astype(np.uint8))


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of a recording to be shown, samples of 16 kHz."""

    start: int
    end: int
    marked: tuple[int, int]
    """What the picture is about."""

    def x(self, sample: float) -> float:
        """Where a sample is in the picture."""
        return round(WIDTH * (sample - self.start) / (self.end - self.start), 1)


def pitch_of(pcm: Pcm, moment: Moment, network: SwiftPitch) -> list[Contour]:
    """Pitch of a moment of a recording, float32[n] at 16 kHz."""
    session = PitchSession(moment.start)
    session.push(pcm[moment.start : moment.end])
    session.close(moment.start, moment.end)
    session.finish()
    return network.step([session])[0]


def picture(moment: Moment, pcm: Pcm, phones: Sequence[PhoneVerdict], contours: Sequence[Contour], title: str) -> str:
    """The moment as SVG; ``pcm`` is the whole recording, float32[n] at 16 kHz."""
    image = inlined("image/png", png(spectrogram(pcm[moment.start : moment.end])))
    first, last = (min(max(moment.x(sample), 0.0), WIDTH) for sample in moment.marked)
    return (
        f'<svg class="moment" viewBox="0 0 {WIDTH} {HEIGHT + AXIS}" role="img" aria-label="{escape(title)}">'
        f'<image href="{image}" width="{WIDTH}" height="{HEIGHT}" preserveAspectRatio="none"/>'
        f'<rect class="slip" x="{first}" y="1" width="{max(2.0, last - first):.1f}" height="{HEIGHT - 2}"/>'
        f"{''.join(_phones(moment, phones))}{''.join(_pitch(moment, contours))}{''.join(_times(moment))}</svg>"
    )


def _phones(moment: Moment, phones: Sequence[PhoneVerdict]) -> Iterator[str]:
    for phone in phones:
        if phone.end <= moment.start or phone.start >= moment.end or phone.end <= phone.start:
            continue
        edge, middle = moment.x(phone.start), moment.x((phone.start + phone.end) / 2)
        yield f'<line class="edge" x1="{edge}" x2="{edge}" y1="0" y2="{HEIGHT}"/>'
        yield f'<text class="unit" x="{middle}" y="{HEIGHT + 18}">{escape(_shown(phone.unit))}</text>'


def _shown(unit: str) -> str:
    """A unit that can stand alone: a vowel mark sits on a stroke."""
    return f"ـ{unit}" if unit[0] in "َُِ" else unit


def _pitch(moment: Moment, contours: Sequence[Contour]) -> Iterator[str]:
    low, high = np.log(LOWEST_HZ), np.log(HIGHEST_HZ)
    for contour in contours:
        run: list[str] = []
        for frame, hz in enumerate(np.where(contour.voiced, contour.hz, 0.0).tolist()):
            sample = contour.start + frame * HOP_SAMPLES
            inside = moment.start <= sample < moment.end and hz > 0
            if inside:
                run.append(f"{moment.x(sample)},{HEIGHT * (1 - (np.log(hz) - low) / (high - low)):.1f}")
            if run and not inside:
                yield f'<polyline class="pitch" points="{" ".join(run)}"/>'
                run = []
        if run:
            yield f'<polyline class="pitch" points="{" ".join(run)}"/>'


def _times(moment: Moment) -> Iterator[str]:
    step = SAMPLE_HZ // 5
    for sample in range(-(-moment.start // step) * step, moment.end, step):
        x = moment.x(sample)
        if 12 < x < WIDTH - 12:
            yield f'<text x="{x}" y="{HEIGHT + 38}">{sample / SAMPLE_HZ:.1f} s</text>'
