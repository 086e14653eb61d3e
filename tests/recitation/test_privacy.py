"""Nothing a dependency does may report on a reciter."""

import os
import subprocess
import sys
from pathlib import Path


def test_onnx_runtime_is_told_not_to_report(tmp_path: Path) -> None:
    """A fresh process that loads the engine writes nothing below its home."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))} | {"HOME": str(tmp_path)}
    code = (
        "import recitation.acoustics.engine as e; e.OnnxEngine(); import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert list(tmp_path.rglob("*")) == []
