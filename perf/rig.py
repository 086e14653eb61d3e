"""What the measuring scripts share: the machine, recitations to play, a server of their own, and the probe.

Server and probe run as processes of their own, as they would in earnest, and are measured from outside.
"""

import json
import os
import platform
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any
from urllib.request import urlopen

import numpy as np

from recitation.acoustics.engine import DEFAULT_MODEL
from recitation.audio import SAMPLE_HZ, Pcm, read_audio
from recitation.sound_files import write_audio

TALAQQI = [sys.executable, "-m", "server.cli"]
ROOT = Path(__file__).resolve().parent.parent
TICKS_HZ = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STOP_DEADLINE_S = 20.0
BETWEEN_AYAT_S = 0.1


@dataclass(frozen=True, slots=True)
class Recitation:
    """A file and what is recited in it."""

    file: Path
    verses: str
    source: str
    """Words for the report: what voice, from where."""


def circumstances() -> dict[str, Any]:
    """Where and with what a figure was measured: machine, model, command line."""
    return {
        "machine": {
            "cpu": _cpu_model(),
            "cpus": os.cpu_count(),
            "load_before": [round(load, 2) for load in os.getloadavg()],
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        "model": sha256(DEFAULT_MODEL.read_bytes()).hexdigest()[:12],
        "command": shlex.join([os.path.relpath(sys.argv[0], ROOT), *sys.argv[1:]]),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def made(verses: str, folder: Path, *extra: str) -> Recitation:
    """A made voice recites; `extra` are options of `talaqqi make-recitation`. Raises SystemExit when it cannot."""
    folder.mkdir(exist_ok=True)
    file = folder / "made.wav"
    done = subprocess.run([*TALAQQI, "make-recitation", verses, str(file), *extra], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return Recitation(file, verses, " ".join(["made voice", *extra]))


def unseen_reciter(recordings: Path, folder: Path, passages: int, seconds: float) -> list[Recitation]:
    """Ayat of the dev reciter that follow each other, joined: the longest stretches that last up to `seconds`."""
    rows = [json.loads(line) for line in (recordings / "index.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["split"] == "dev" and not row["voice"].startswith("crowd")]
    rows.sort(key=lambda row: (row["surah"], row["ayah"]))
    chosen = sorted(_stretches(rows, seconds), key=_length, reverse=True)[:passages]
    streams: dict[str, Pcm] = {}
    found = []
    for stretch in chosen:
        pieces: list[Pcm] = []
        for row in stretch:
            if row["file"] not in streams:
                streams[row["file"]] = read_audio(recordings / row["file"])
            pieces.append(streams[row["file"]][row["start"] : row["start"] + row["samples"]])
            pieces.append(np.zeros(round(BETWEEN_AYAT_S * SAMPLE_HZ), np.float32))
        first, last = stretch[0], stretch[-1]
        verses = f"{first['surah']}:{first['ayah']}" + (f"-{last['ayah']}" if last is not first else "")
        file = folder / f"{verses.replace(':', '_')}.wav"
        write_audio(file, np.concatenate(pieces))
        found.append(Recitation(file, verses, f"{first['voice']} (dev)"))
    return found


def _stretches(rows: list[dict[str, Any]], seconds: float) -> Iterator[list[dict[str, Any]]]:
    stretch: list[dict[str, Any]] = []
    for row in rows:
        follows = bool(stretch) and (row["surah"], row["ayah"] - 1) == (stretch[-1]["surah"], stretch[-1]["ayah"])
        if stretch and not (follows and _length([*stretch, row]) <= seconds):
            yield stretch
            stretch = []
        if _length([row]) <= seconds:
            stretch.append(row)
    if stretch:
        yield stretch


def _length(rows: list[dict[str, Any]]) -> float:
    samples: int = sum(row["samples"] for row in rows)
    return samples / SAMPLE_HZ + BETWEEN_AYAT_S * len(rows)


def cpu_s(pid: int) -> float:
    """Processor seconds a process has used, its threads' and the kernel's on its behalf (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


def free_port() -> int:
    """A port of the loopback on which nobody listens now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The URL of a Redis of our own. Raises SystemExit where there is none."""
    if shutil.which("redis-server") is None:
        raise SystemExit("this needs redis-server (Debian: apt install redis-server)")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--requirepass", "perf", "--save", ""]
    with subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL) as process:
        try:
            yield f"redis://:perf@127.0.0.1:{port}"
        finally:
            process.terminate()


class Server:
    """`talaqqi serve` on a free port, for a with statement."""

    def __init__(self, *options: str) -> None:
        """It keeps nothing unless `--database` is among the options."""
        self._options = options if "--database" in options else ("--database", "none", *options)
        self.url = ""

    def __enter__(self) -> "Server":
        self._process = subprocess.Popen(
            [*TALAQQI, "serve", "--port", "0", *self._options], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if "http" not in line:
            raise SystemExit(f"the server did not start: {line or 'see above'}")
        self.url = line.split()[-1].rstrip("/")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(STOP_DEADLINE_S)

    def cpu_s(self) -> float:
        """Processor seconds the process and its workers have used."""
        return sum(map(cpu_s, self._processes()))

    def resident_mb(self) -> float:
        """Resident memory of all of them, 10^6 bytes; what they share counts for each."""
        pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._processes())
        return sum(pages) * PAGE_BYTES / 1e6

    def _processes(self) -> list[int]:
        pid = self._process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def metric(self, name: str) -> float:
        """A figure of /metrics, the sum over its labels."""
        return self.metric_of(name, "")

    def metric_of(self, name: str, label: str) -> float:
        """The same of series with a label such as `stage="tap"`. Raises KeyError when there is none."""
        with urlopen(f"{self.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        found = [
            float(line.split()[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")) and label in line
        ]
        if not found:
            raise KeyError(name)
        return sum(found)


def start_probe(url: str, recitation: Recitation, *options: str) -> "subprocess.Popen[str]":
    """`talaqqi probe` as a process of its own; its standard output is the report."""
    command = [*TALAQQI, "probe", url, "--audio", str(recitation.file), "--verses", recitation.verses, "--json"]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def report_of(probe: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for a probe's report. Raises SystemExit when it failed."""
    output, _ = probe.communicate()
    if probe.returncode:
        raise SystemExit("the probe failed")
    report: dict[str, Any] = json.loads(output)
    return report


def middle(values: Iterable[float | None]) -> float | None:
    """Median of repeated figures; None stands for infinite, as in the probe's reports."""
    ordered = [float("inf") if value is None else value for value in values]
    median = statistics.median(ordered)
    return None if median == float("inf") else round(median, 3)


def temporary() -> "TemporaryDirectory[str]":
    """A folder for what is played, gone afterwards: recordings may not be kept."""
    return TemporaryDirectory(prefix="talaqqi-perf-")
