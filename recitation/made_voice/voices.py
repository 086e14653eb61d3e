"""The made reciters: an espeak-ng voice variant, a vocal tract, a pitch and how far the pitch moves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MadeVoice:
    """One reciter."""

    variant: str
    """Name of an espeak-ng voice variant, or an empty string for the language's own voice."""
    woman: bool
    pitch_hz: float
    """Median pitch."""
    range_semitones: float = 1.5
    """Standard deviation of the slow movement of the pitch."""
    tract: float = 1.0
    """Factor on every formant: above 1 a shorter vocal tract."""
    espeak_pitch: int = 50
    """Pitch setting of espeak-ng, 0 to 99: near the wanted pitch, so that grains are moved little."""

    @property
    def espeak_name(self) -> str:
        """What espeak-ng calls the voice."""
        return f"ar+{self.variant}" if self.variant else "ar"


VOICES: dict[str, MadeVoice] = {
    "man1": MadeVoice("", False, 118, 1.6, 1.0, 70),
    "man2": MadeVoice("m3", False, 104, 1.3, 0.97, 60),
    "man3": MadeVoice("m4", False, 128, 1.8, 1.0, 85),
    "man4": MadeVoice("m6", False, 142, 2.0, 1.04, 85),
    "man5": MadeVoice("m7", False, 112, 1.4, 1.0, 65),
    "man6": MadeVoice("m8", False, 96, 1.2, 0.98, 70),
    "man7": MadeVoice("m2", False, 150, 1.8, 1.05, 90),
    "man8": MadeVoice("klatt", False, 125, 1.6, 1.0, 75),
    "man9": MadeVoice("adam", False, 110, 1.5, 1.03, 65),
    "man10": MadeVoice("michel", False, 135, 1.7, 1.0, 80),
    "man11": MadeVoice("m5", False, 108, 1.3, 0.95, 65),
    "woman1": MadeVoice("f2", True, 205, 1.7, 1.0, 60),
    "woman2": MadeVoice("f3", True, 220, 1.8, 1.0, 62),
    "woman3": MadeVoice("f4", True, 190, 1.5, 1.0, 58),
    "woman4": MadeVoice("f5", True, 225, 1.7, 1.02, 62),
    "woman5": MadeVoice("steph", True, 212, 1.5, 1.0, 60),
    "woman6": MadeVoice("belinda", True, 235, 1.8, 0.97, 55),
    "woman7": MadeVoice("linda", True, 215, 1.6, 1.0, 50),
    "woman8": MadeVoice("f1", True, 182, 1.5, 1.0, 58),
}
"""Every voice by the name that can be asked for."""
DEFAULT_VOICE = "man1"
