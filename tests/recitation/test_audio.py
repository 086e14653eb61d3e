import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.audio import (
    AudioError,
    LevelNormaliser,
    Pcm,
    Resampler,
    RingBuffer,
    SampleClock,
    frame_to_mono,
    read_audio,
    stream_audio,
)

chunk_sizes = st.lists(st.integers(1, 3000), max_size=30)


def cut(pcm: Pcm, sizes: list[int]) -> list[Pcm]:
    """`pcm` in chunks of the given sizes, the rest as one."""
    ends = np.minimum(np.cumsum(sizes, dtype=int), len(pcm))
    return np.split(pcm, ends)


def tone(seconds: float, rate_hz: int, hz: float = 440.0, amplitude: float = 0.5) -> Pcm:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * hz * t + 0.3)).astype(np.float32)


def syllables(seconds: float, rms_db: float, seed: int = 1) -> Pcm:
    """Noise in 200 ms syllables with 60 ms pauses; `rms_db` is the level of the syllables."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 16_000)) / 16_000
    envelope = ((t % 0.26) < 0.2).astype(np.float32)
    noise = rng.standard_normal(len(t)) * 10 ** (rms_db / 20)
    return (noise * envelope + rng.standard_normal(len(t)) * 1e-4).astype(np.float32)


def rms_db(pcm: Pcm) -> float:
    return 10 * math.log10(float(np.mean(np.square(pcm, dtype=np.float64))) + 1e-12)


# Resampler


def resample(pcm: Pcm, rate_hz: int, sizes: list[int]) -> Pcm:
    resampler = Resampler(rate_hz)
    parts = [resampler.push(chunk) for chunk in cut(pcm, sizes)]
    return np.concatenate([*parts, resampler.flush()])


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000]), chunk_sizes, st.integers(0, 9000))
def test_resampling_does_not_depend_on_chunking(rate_hz: int, sizes: list[int], length: int) -> None:
    pcm = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    whole = resample(pcm, rate_hz, [])
    assert len(whole) == -(-length * 16_000 // rate_hz)
    np.testing.assert_array_equal(resample(pcm, rate_hz, sizes), whole)


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_resampling_shifts_nothing(rate_hz: int) -> None:
    out = resample(tone(1.0, rate_hz), rate_hz, [960] * 60)
    np.testing.assert_allclose(out[200:-200], tone(1.0, 16_000)[200:-200], atol=1e-4)


def test_resampler_holds_back_one_millisecond_of_opus() -> None:
    resampler = Resampler(48_000)
    assert len(resampler.push(tone(0.02, 48_000))) == 304
    assert len(resampler.push(tone(0.02, 48_000))) == 320


def test_resampler_refuses_more_after_the_end() -> None:
    resampler = Resampler(48_000)
    resampler.flush()
    with pytest.raises(ValueError, match="flushed"):
        resampler.push(tone(0.02, 48_000))


# Clock


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**31), st.lists(st.integers(1, 2**20), min_size=1, max_size=60))
def test_clock_follows_wrapping_timestamps_both_ways(origin: int, first: int, steps: list[int]) -> None:
    clock = SampleClock(origin, first)
    elapsed = 0
    for step in steps:
        elapsed += 3 * step
        assert clock.advance((origin + elapsed) & 0xFFFFFFFF) == first + elapsed // 3
        assert clock.rtp_at(first + elapsed // 3) == (origin + elapsed) % 2**32


def test_clock_keeps_counting_for_days() -> None:
    clock = SampleClock(0)
    hour = 3600 * 48_000
    for n in range(1, 60):
        assert clock.advance(n * hour % 2**32) == n * 3600 * 16_000


def test_clock_remembers_what_samples_before_a_jump_stood_for() -> None:
    clock = SampleClock(3_000)
    clock.advance(6_000)
    clock.rebase(900_000, 1_000)
    assert [clock.rtp_at(s) for s in (0, 999, 1_000, 1_001)] == [3_000, 5_997, 900_000, 900_003]
    assert clock.sample_at(900_300) == 1_100


# Level


def level(pcm: Pcm, sizes: list[int]) -> Pcm:
    normaliser = LevelNormaliser()
    return np.concatenate([*(normaliser.push(chunk) for chunk in cut(pcm, sizes)), normaliser.flush()])


@settings(deadline=None, max_examples=60)
@given(chunk_sizes, st.floats(-50, 0), st.integers(0, 20_000))
def test_level_does_not_depend_on_chunking(sizes: list[int], db: float, length: int) -> None:
    pcm = syllables(length / 16_000, db)
    whole = level(pcm, [])
    assert len(whole) == length
    np.testing.assert_array_equal(level(pcm, sizes), whole)


@settings(deadline=None, max_examples=40)
@given(chunk_sizes)
def test_level_holds_back_less_than_one_block(sizes: list[int]) -> None:
    normaliser, pushed, got = LevelNormaliser(), 0, 0
    for size in sizes:
        pushed += size
        got += len(normaliser.push(np.ones(size, np.float32)))
        assert 0 <= pushed - got < 160


@pytest.mark.parametrize("db", [-48.0, -35.0, -23.0, -12.0, -6.0])
def test_speech_comes_out_at_the_target(db: float) -> None:
    pcm = syllables(8.0, db)
    out = level(pcm, [])
    speech = (np.arange(len(pcm)) / 16_000) % 0.26 < 0.2
    late = np.arange(len(pcm)) > 3 * 16_000
    assert abs(rms_db(out[speech & late]) - LevelNormaliser.TARGET_DB) < 3.0


def test_gain_is_limited() -> None:
    quiet = LevelNormaliser()
    quiet.push(syllables(10.0, -60.0))
    assert quiet.gain_db == 30.0
    loud = LevelNormaliser()
    loud.push(syllables(10.0, 6.0))
    assert loud.gain_db == -20.0


def test_silence_after_speech_is_not_lifted() -> None:
    normaliser = LevelNormaliser()
    normaliser.push(syllables(4.0, -20.0))
    before = normaliser.gain_db
    hiss = np.random.default_rng(2).standard_normal(20 * 16_000).astype(np.float32) * 10 ** (-55 / 20)
    out = normaliser.push(hiss)
    assert normaliser.gain_db <= before
    assert rms_db(out) == pytest.approx(-55 + before, abs=0.5)


def test_digital_silence_keeps_the_gain_at_one() -> None:
    normaliser = LevelNormaliser()
    normaliser.push(np.zeros(160_000, np.float32))
    assert (normaliser.gain_db, normaliser.speech_db) == (0.0, None)


def test_a_held_vowel_is_not_taken_for_noise() -> None:
    normaliser = LevelNormaliser()
    normaliser.push(syllables(3.0, -30.0))
    normaliser.push(tone(6.0, 16_000, 200.0, amplitude=0.2))
    assert normaliser.speech_db == pytest.approx(-17.0, abs=4.0)


def test_gain_runs_smoothly() -> None:
    pcm = np.concatenate([np.full(3200, 1e-4, np.float32), np.full(16_000, 0.5, np.float32)])
    gain = level(pcm, []) / pcm
    assert np.abs(np.diff(gain)).max() < 0.002
    assert gain[-1] < 0.3


def test_level_and_clipping_are_reported() -> None:
    normaliser = LevelNormaliser()
    normaliser.push(np.concatenate([tone(0.5, 16_000, 100.0), np.ones(160, np.float32)]))
    assert normaliser.clipped_samples == 160
    assert normaliser.level_db == pytest.approx(0.0, abs=0.01)
    normaliser.push(tone(0.5, 16_000, 100.0))
    assert normaliser.level_db == pytest.approx(-9.03, abs=0.1)


# Ring buffer


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 300), st.booleans()), max_size=30), st.integers(0, 10**9), st.integers(0, 2**31)
)
def test_ring_buffer_is_the_end_of_everything_appended(chunks: list[tuple[int, bool]], start: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = RingBuffer(seconds=200 / 16_000, start=start)
    heard, made = np.zeros(0, np.float32), np.zeros(0, bool)
    for size, concealed in chunks:
        pcm = rng.standard_normal(size).astype(np.float32)
        ring.append(pcm, concealed)
        heard, made = np.append(heard, pcm), np.append(made, np.full(size, concealed))
    assert ring.end == start + len(heard)
    assert ring.start == max(start, ring.end - 200)
    first, last = sorted(rng.integers(ring.start, ring.end + 1, 2).tolist())
    np.testing.assert_array_equal(ring.read(first, last), heard[first - start : last - start])
    if len(heard):
        a = int(rng.integers(start, ring.end))
        assert ring.concealed_fraction(a, ring.end) == pytest.approx(made[a - start :].mean())


def test_ring_buffer_refuses_what_it_does_not_hold() -> None:
    ring = RingBuffer(seconds=1.0)
    ring.append(np.zeros(20_000, np.float32))
    for span in ((3_999, 5_000), (10_000, 20_001), (5_000, 4_999)):
        with pytest.raises(ValueError, match="held"):
            ring.read(*span)
    with pytest.raises(ValueError, match="empty"):
        ring.concealed_fraction(5, 5)


# Files


def write(path: Path, codec: str, pcm: Pcm, rate_hz: int, sample_format: str, layout: str = "mono") -> Path:
    """Encode float32[channels, n] with PyAV into the container that the file's name asks for."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout, format=sample_format)
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate_hz, frame_size=960)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm), format="fltp", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), 0
        for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(piece))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz", "sample_format"),
    [
        ("a.wav", "pcm_s16le", 44_100, "s16"),
        ("b.wav", "pcm_u8", 8_000, "u8"),
        ("c.wav", "pcm_f32le", 16_000, "flt"),
        ("d.flac", "flac", 48_000, "s16"),
        ("e.ogg", "libopus", 48_000, "s16"),
        ("f.webm", "libopus", 48_000, "s16"),
    ],
)
def test_any_format_is_read_in_place(tmp_path: Path, name: str, codec: str, rate_hz: int, sample_format: str) -> None:
    path = write(tmp_path / name, codec, tone(1.0, rate_hz)[np.newaxis], rate_hz, sample_format)
    out = read_audio(path)
    assert out.dtype == np.float32
    assert abs(len(out) - 16_000) <= 320
    difference = out[1000:15_000] - tone(1.0, 16_000)[1000:15_000]
    assert rms_db(difference) < -35
    np.testing.assert_array_equal(np.concatenate(list(stream_audio(path))), out)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(0.5, 16_000)
    path = write(tmp_path / "s.wav", "pcm_s16le", np.stack([left, -left / 2]), 16_000, "s16", "stereo")
    np.testing.assert_allclose(read_audio(path), left / 4, atol=1e-4)


@pytest.mark.parametrize("sample_format", ["u8", "s16", "s16p", "s32", "flt", "fltp", "dbl"])
def test_every_sample_format_has_the_same_scale(sample_format: str) -> None:
    frame = av.AudioFrame.from_ndarray(tone(0.1, 16_000)[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = 16_000
    [converted] = av.AudioResampler(format=sample_format, layout="mono", rate=16_000).resample(frame)
    np.testing.assert_allclose(frame_to_mono(converted), tone(0.1, 16_000), atol=0.01)


def refusal(path: Path) -> str:
    with pytest.raises(AudioError) as error:
        read_audio(path)
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def test_what_is_no_audio_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.wav")
    assert "directory" in refusal(tmp_path)
    (tmp_path / "empty.wav").touch()
    assert "empty" in refusal(tmp_path / "empty.wav")
    (tmp_path / "text.mp3").write_text("not audio at all\n" * 100)
    assert "not a readable audio file" in refusal(tmp_path / "text.mp3")
    with av.open(str(tmp_path / "silent.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert "no audio" in refusal(tmp_path / "silent.mkv")


@pytest.mark.parametrize(("name", "codec"), [("t.wav", "pcm_s16le"), ("t.flac", "flac"), ("t.ogg", "libopus")])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, codec: str) -> None:
    noise = np.random.default_rng(3).standard_normal((1, 3 * 48_000)).astype(np.float32) * 0.1
    path = write(tmp_path / name, codec, noise, 48_000, "s16")
    assert abs(len(read_audio(path)) - 48_000) < 400
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    assert "truncated" in refusal(path) or "damaged" in refusal(path)


def test_a_file_cut_in_its_header_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "h.wav", "pcm_s16le", tone(1.0, 16_000)[np.newaxis], 16_000, "s16")
    path.write_bytes(path.read_bytes()[:20])
    assert refusal(path)
