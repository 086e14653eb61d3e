"""Prosody as it is recited: pitch, loudness, formants, tempo of speech, pauses and breaths.

Sans-IO: audio and closed phones in, measurements out.  ``recitation.prosody.session`` puts the parts together.
"""
