"""A made voice: recitation from the lexicon's phones through espeak-ng, with exact times and mistakes on request.

It is no recitation to learn from: it makes the samples, test fixtures, a part of the training data, and audio with
mistakes whose truth is known by construction.
"""

from recitation.made_voice.espeak import EspeakError
from recitation.made_voice.recite import MadeError, MadePhone, MadeRecitation, Manner, make_recitation
from recitation.made_voice.slips import Order, RandomOrders, SlipError, parse_order
from recitation.made_voice.voices import DEFAULT_VOICE, VOICES, MadeVoice

__all__ = [
    "DEFAULT_VOICE",
    "VOICES",
    "EspeakError",
    "MadeError",
    "MadePhone",
    "MadeRecitation",
    "MadeVoice",
    "Manner",
    "Order",
    "RandomOrders",
    "SlipError",
    "make_recitation",
    "parse_order",
]
