"""Snapshot stores: what is put can be had again for its life, and nothing else can."""

import asyncio
import stat
from pathlib import Path

import pytest

from server.snapshots import SWEEP_S, FileSnapshots, MemorySnapshots, SnapshotStore, SnapshotsUnavailable, key_of

KEY, OTHER = key_of("one"), key_of("other")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> SnapshotStore:
    return MemorySnapshots(clock) if request.param == "memory" else FileSnapshots(tmp_path / "snapshots", clock)


async def test_the_newest_is_had_again_until_it_is_forgotten(store: SnapshotStore) -> None:
    assert await store.get(KEY) is None
    await store.put(KEY, b"first", 60)
    await store.put(OTHER, b"", 60)
    await store.put(KEY, b"second\x00\xff", 60)
    assert await store.get(KEY) == b"second\x00\xff"
    assert await store.get(OTHER) == b""
    await store.delete(KEY)
    await store.delete(KEY)
    assert await store.get(KEY) is None and await store.get(OTHER) == b""


async def test_each_is_gone_after_its_life(store: SnapshotStore, clock: Clock) -> None:
    await store.put(KEY, b"short", 60)
    await store.put(OTHER, b"long", 600)
    clock.now += 59.9
    assert await store.get(KEY) == b"short"
    clock.now += 0.1
    assert await store.get(KEY) is None and await store.get(OTHER) == b"long"


async def test_files_outlive_the_store_that_wrote_them_and_only_the_user_reads_them(
    tmp_path: Path, clock: Clock
) -> None:
    folder = tmp_path / "data" / "snapshots"
    await FileSnapshots(folder, clock).put(KEY, b"kept", 60)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert await FileSnapshots(folder, clock).get(KEY) == b"kept"


async def test_what_has_expired_is_swept_and_what_is_not_ours_is_left(tmp_path: Path, clock: Clock) -> None:
    store = FileSnapshots(tmp_path, clock)
    await store.put(KEY, b"old", 10)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "new-half").write_bytes(b"what a process that died was writing")
    clock.now = (tmp_path / "new-half").stat().st_mtime + SWEEP_S + 1
    await store.put(OTHER, b"new", 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"{OTHER}.snapshot", "notes.txt"])


async def test_a_reader_never_sees_half_a_snapshot(tmp_path: Path) -> None:
    store = FileSnapshots(tmp_path)
    whole = [bytes([n]) * 200_000 for n in range(20)]
    await store.put(KEY, whole[0], 60)
    writing = asyncio.gather(*(store.put(KEY, snapshot, 60) for snapshot in whole))
    seen = 0
    while not writing.done():
        assert await store.get(KEY) in whole
        seen += 1
    await writing
    assert seen


async def test_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(SnapshotsUnavailable, match="file"):
        FileSnapshots(file / "snapshots")
    store = FileSnapshots(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SnapshotsUnavailable, match="gone: no such file or directory"):
        await store.put(KEY, b"", 60)
    assert await store.get(KEY) is None
    with pytest.raises(ValueError, match="no key"):
        await store.get("../../etc/passwd")
