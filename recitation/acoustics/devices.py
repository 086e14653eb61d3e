"""Where an engine on PyTorch runs."""

import torch

from recitation.acoustics.engine import ModelError


def torch_device(name: str | None) -> torch.device:
    """The device of that name, or CUDA where there is one, else the CPU.  Raises ModelError when it is not there."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch asserts that it was built with CUDA
        raise ModelError(f"there is no device {name} for PyTorch here: {str(error).splitlines()[0]}") from error
    return device
