"""Quran recitation listened to: 16 kHz audio in, places and verdicts out."""

import os

# ONNX Runtime reports its use to its maker unless told not to, and must be told before it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
