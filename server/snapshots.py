"""Where snapshots of live sessions are kept, so that a session outlives its process: bytes in, bytes out.

What the bytes say is `server.retained`'s business. A key is a name that `key_of` makes of a resume token: who reads a
store cannot resume anybody's session. Snapshots are small (kilobytes), short-lived (a minute) and dispensable: losing
one costs a student whose server died the verdicts so far, never a session that is going on.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_KEY = re.compile(r"[0-9a-f]{64}")
_EXPIRES = struct.Struct(">d")
"""Before the bytes in a file: Unix time from which on they are gone."""

SWEEP_S = 60.0
"""Expired files are looked for no more often."""


class SnapshotsUnavailable(Exception):
    """The store cannot be reached, or takes nothing now; the message is one line saying why."""


class SnapshotStore(Protocol):
    """Snapshots by key, each for a while. Every call raises SnapshotsUnavailable when the store cannot be used, and
    returns within a second or so: a store that is far away keeps a deadline of its own."""

    async def put(self, key: str, snapshot: bytes, life_s: float) -> None:
        """Keep a snapshot for `life_s` seconds from now on, in place of the one before under the same key."""

    async def get(self, key: str) -> bytes | None:
        """The newest snapshot under a key; None when there is none, or no longer."""

    async def delete(self, key: str) -> None:
        """Forget the snapshot under a key, if there is one."""


def key_of(token: str) -> str:
    """The key of a resume token's snapshot: 64 hexadecimal digits, from which the token cannot be had."""
    return hashlib.sha256(token.encode()).hexdigest()


class MemorySnapshots:
    """In this process, and gone with it: for servers that keep nothing on disk, and for tests."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, bytes]] = {}

    async def put(self, key: str, snapshot: bytes, life_s: float) -> None:
        """See SnapshotStore."""
        now = self._clock()
        self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > now}
        self._kept[key] = now + life_s, snapshot

    async def get(self, key: str) -> bytes | None:
        """See SnapshotStore."""
        expires, snapshot = self._kept.get(key, (0.0, b""))
        return snapshot if expires > self._clock() else None

    async def delete(self, key: str) -> None:
        """See SnapshotStore."""
        self._kept.pop(key, None)


class FileSnapshots:
    """One file for each key in a folder that only this user may read; each is replaced as a whole.

    Nothing is forced to the disk: what was put survives the process, not the machine.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Raises SnapshotsUnavailable when the folder cannot be made or written to."""
        self._folder = folder
        self._clock = clock
        self._swept = clock()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise _unavailable(folder, error) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SnapshotsUnavailable(f"{folder}: may not be written to")

    async def put(self, key: str, snapshot: bytes, life_s: float) -> None:
        """See SnapshotStore."""
        await asyncio.to_thread(self._put, self._path(key), snapshot, life_s)

    async def get(self, key: str) -> bytes | None:
        """See SnapshotStore."""
        return await asyncio.to_thread(self._get, self._path(key))

    async def delete(self, key: str) -> None:
        """See SnapshotStore."""
        await asyncio.to_thread(self._delete, self._path(key))

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key; `key_of` makes one of a token")
        return self._folder / f"{key}.snapshot"

    def _put(self, path: Path, snapshot: bytes, life_s: float) -> None:
        now = self._clock()
        try:
            # Made for this user alone (mode 0600); a reader sees the old file or the new one.
            handle, name = tempfile.mkstemp(dir=self._folder, prefix="new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_EXPIRES.pack(now + life_s) + snapshot)
                os.replace(name, path)
            except BaseException:
                os.unlink(name)
                raise
            if now - self._swept > SWEEP_S:
                self._swept = now
                self._sweep()
        except OSError as error:
            raise _unavailable(self._folder, error) from error

    def _get(self, path: Path) -> bytes | None:
        try:
            kept = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unavailable(path, error) from error
        return kept[_EXPIRES.size :] if _expires(kept) > self._clock() else None

    def _delete(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable(path, error) from error

    def _sweep(self) -> None:
        """Remove what has expired, and what a process that died left half written."""
        now = self._clock()
        for path in self._folder.iterdir():
            # Another process on the same folder may be as quick.
            with contextlib.suppress(FileNotFoundError):
                if path.name.startswith("new-"):
                    stale = path.stat().st_mtime < now - SWEEP_S
                elif path.suffix == ".snapshot":
                    with path.open("rb") as file:
                        stale = _expires(file.read(_EXPIRES.size)) <= now
                else:
                    stale = False
                if stale:
                    path.unlink()


def _expires(kept: bytes) -> float:
    """Unix time; 0 for a file that is none of ours."""
    expires: float = _EXPIRES.unpack_from(kept)[0] if len(kept) >= _EXPIRES.size else 0.0
    return expires


def _unavailable(path: Path, error: OSError) -> SnapshotsUnavailable:
    return SnapshotsUnavailable(f"{path}: {(error.strerror or str(error)).lower()}")
