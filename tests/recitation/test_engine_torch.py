"""The PyTorch engine: states in slots on the device, batches filled up with nobody, memory counted beforehand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from recitation.acoustics.batching import Batcher
from recitation.acoustics.engine import DEFAULT_MODEL, Floats, ModelError
from recitation.acoustics.slots import SlotEngine
from recitation.acoustics.torch_engine import BUCKETS, MB, SMALLEST_CPU_BATCH, TorchEngine, TorchSlots
from recitation.features import FRAMES_PER_HOP, MELS
from recitation.phones import UNITS

PRECISIONS = ("fp32", "fp16", "bf16")


def hop(session: int, number: int) -> Floats:
    return np.random.default_rng([session, number]).standard_normal((FRAMES_PER_HOP, MELS)).astype(np.float32)


def hops(sessions: int, number: int) -> Floats:
    return np.stack([hop(session, number) for session in range(sessions)])


def engine_of(model: Path, precision: str = "fp32", **options: float) -> TorchEngine:
    return TorchEngine(model, device="cpu", precision=precision, **options)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_slots_answer_as_states_that_are_handed_over(precision: str, small_model: Path) -> None:
    engine = engine_of(small_model, precision)
    assert isinstance(engine, SlotEngine)
    slots, state = engine.make_slots(6), engine.initial_state(5)
    order = np.array([4, 0, 5, 2, 1])
    for number in range(6):
        expected, state = engine.step(hops(5, number), state)
        np.testing.assert_array_equal(slots.step(order, hops(5, number)), expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_states_are_as_fine_as_weights(precision: str, small_model: Path) -> None:
    slots = engine_of(small_model, precision).make_slots(2)
    before = [part.data_ptr() for part in slots.states]
    slots.step(np.array([1]), hops(1, 0))
    assert {part.dtype for part in slots.states} == {
        {"fp32": torch.float32, "fp16": torch.float16}.get(precision, torch.bfloat16)
    }
    assert [part.data_ptr() for part in slots.states] == before, "a graph knows states by their address"


@pytest.mark.parametrize("sessions", range(1, SMALLEST_CPU_BATCH))
def test_what_fills_a_batch_up_never_leaks(sessions: int, small_model: Path) -> None:
    """The state that nobody has may be as bad as can be."""
    engine = engine_of(small_model)
    clean, spoilt = engine.make_slots(3), engine.make_slots(3)
    for number in range(3):
        for part in spoilt.states:
            part[-1] = torch.nan
        taken = np.arange(sessions)
        np.testing.assert_array_equal(
            spoilt.step(taken, hops(sessions, number)), clean.step(taken, hops(sessions, number))
        )
    for part, other in zip(spoilt.states, clean.states, strict=True):
        torch.testing.assert_close(part[:-1], other[:-1], rtol=0, atol=0)


def test_slots_that_do_not_step_stay(small_model: Path) -> None:
    slots = engine_of(small_model).make_slots(4)
    slots.step(np.arange(4), hops(4, 0))
    before = [part.clone() for part in slots.states]
    slots.step(np.array([2]), hops(1, 1))
    slots.clear(1)
    for part, old in zip(slots.states, before, strict=True):
        torch.testing.assert_close(part[[0, 3]], old[[0, 3]], rtol=0, atol=0)
        assert not part[1].any()
        assert not torch.equal(part[2], old[2]) or part.ndim == 1


def test_more_sessions_than_the_largest_bucket(small_model: Path) -> None:
    count = BUCKETS[-1] + 3
    slots, few = engine_of(small_model).make_slots(count), engine_of(small_model).make_slots(4)
    for number in range(2):
        answers = slots.step(np.arange(count), hops(count, number))
        np.testing.assert_array_equal(answers[:4], few.step(np.arange(4), hops(4, number)))
    assert len(answers) == count


def test_memory_is_counted_before_it_is_taken(small_model: Path) -> None:
    engine = engine_of(small_model)
    state = sum(part.nbytes for part in engine.initial_state(1))
    weights = sum(weight.nbytes for weight in engine._encoder.parameters())
    assert engine.memory_needed(1001) - engine.memory_needed(1000) == state
    assert engine.memory_needed(1000) > weights + 1001 * state
    assert engine_of(small_model, "fp16").memory_needed(1000) == engine.memory_needed(1000) / 2


@pytest.mark.parametrize("lookahead_ms", [0, 240])
def test_a_step_takes_no_more_than_was_counted(lookahead_ms: int) -> None:
    engine, sessions = TorchEngine(DEFAULT_MODEL, lookahead_ms, device="cpu"), 64
    slots = engine.make_slots(sessions)
    kept = sum(part.nbytes for part in slots.states) + sum(w.nbytes for w in engine._encoder.parameters())
    with torch.profiler.profile(profile_memory=True) as profile:
        slots.step(np.arange(sessions), np.zeros((sessions, engine.hop_frames, MELS), np.float32))
    events = sorted(profile.events(), key=lambda event: event.time_range.end)
    peak = np.cumsum([event.self_cpu_memory_usage for event in events]).max()
    assert sum(part[:sessions].nbytes for part in slots.states) < peak < engine.memory_needed(sessions) - kept


def test_too_many_sessions_are_refused_with_figures(small_model: Path) -> None:
    engine = engine_of(small_model, memory_limit_mb=20)
    fitting = next(n for n in range(1, 100_000) if engine.memory_needed(n + 1) > 20 * MB)
    assert isinstance(engine.make_slots(fitting), TorchSlots)
    with pytest.raises(ModelError, match=rf"{fitting + 1} sessions need 20 MB on cpu .* but 20 MB may be used"):
        Batcher(engine, fitting + 1)


def test_without_a_limit_the_machine_is_the_limit(small_model: Path) -> None:
    with pytest.raises(ModelError, match="1000000000 sessions need"):
        Batcher(engine_of(small_model), 1_000_000_000)


def test_one_thread_on_the_cpu(small_model: Path) -> None:
    torch.set_num_threads(2)
    engine_of(small_model)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("device", ["cuda:99", "mps", "abacus"])
def test_a_device_that_is_not_there_is_named(device: str, small_model: Path) -> None:
    with pytest.raises(ModelError, match=f"no device {device} for PyTorch here"):
        TorchEngine(small_model, device=device)


def test_an_unknown_precision_is_refused(small_model: Path) -> None:
    with pytest.raises(ValueError, match="precision is one of fp32, fp16, bf16, not int8"):
        TorchEngine(small_model, device="cpu", precision="int8")


class Traced(TorchDispatchMode):
    """Notes the devices of all that is computed, and what asks a device for a value."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: set[str] = set()
        self.asking: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(options or {}))
        self.devices |= {leaf.device.type for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)}
        if not any(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(result)):
            self.asking.append(str(function))
        return result


def test_a_step_can_be_recorded(small_model: Path) -> None:
    """A CUDA graph may neither copy between devices nor wait; PyTorch's device without data shows that nothing does."""
    slots = TorchEngine(small_model, device="meta", precision="fp32").make_slots(9)
    features, taken = (torch.zeros(shape, device="meta") for shape in ((8, FRAMES_PER_HOP, MELS), (8,)))
    with torch.no_grad(), Traced() as traced:
        log_probs = slots._advance(features, taken.long())
    assert log_probs.shape == (8, FRAMES_PER_HOP // 2, len(UNITS))
    assert traced.devices == {"meta"} and traced.asking == []


@pytest.fixture
def cuda() -> str:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return "cuda"


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("fp16", 0.1), ("bf16", 1.0)])
def test_graphs_answer_as_the_reference(cuda: str, precision: str, tolerance: float) -> None:
    """Sessions of different ages, batches of every bucket."""
    reference = engine_of(DEFAULT_MODEL)
    ours = TorchEngine(DEFAULT_MODEL, device=cuda, precision=precision).make_slots(70)
    theirs = reference.make_slots(70)
    for number, count in enumerate([70, 3, 1, 2, 8, 40, 64, 65, 70, 5]):
        taken = np.random.default_rng(number).permutation(70)[:count]
        answers = ours.step(taken, hops(count, number))
        np.testing.assert_allclose(answers, theirs.step(taken, hops(count, number)), atol=tolerance)


@pytest.mark.gpu
def test_graphs_disturb_nobody(cuda: str, small_model: Path) -> None:
    """Company of the same number, or of the same bucket, changes no bit."""
    engine = TorchEngine(small_model, device=cuda)
    quiet, busy = engine.make_slots(8), engine.make_slots(8)
    for number in range(6):
        own = hop(0, number)
        first = quiet.step(np.arange(3), np.stack([own, hop(1, number), hop(2, number)]))
        company = [hop(10 + n, number) for n in range(2 + number % 2)]
        second = busy.step(np.arange(3 + number % 2), np.stack([own, *company]))
        np.testing.assert_array_equal(first[0], second[0])
        busy.clear(2)


@pytest.mark.gpu
def test_a_graph_replays_faster_than_its_step(cuda: str) -> None:
    slots = TorchEngine(DEFAULT_MODEL, device=cuda).make_slots(8)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    spent = {}
    for name in ("replayed", "launched"):
        begin.record()
        for number in range(50):
            slots.step(np.arange(8), hops(8, number))
        end.record()
        end.synchronize()
        spent[name] = begin.elapsed_time(end)
        slots._graphs.clear()
    assert spent["replayed"] < spent["launched"] / 2


@pytest.mark.gpu
def test_the_gpu_is_the_limit(cuda: str) -> None:
    with pytest.raises(ModelError, match=r"1000000 sessions need .* on cuda"):
        TorchEngine(DEFAULT_MODEL, device=cuda).make_slots(1_000_000)


@pytest.mark.gpu
def test_what_is_taken_is_what_was_counted(cuda: str) -> None:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    engine = TorchEngine(DEFAULT_MODEL, device=cuda)
    slots = engine.make_slots(64)
    slots.step(np.arange(64), hops(64, 0))
    assert torch.cuda.max_memory_reserved() - before < engine.memory_needed(64)
