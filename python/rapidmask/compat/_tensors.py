"""Which of torch's tensors drop-ins serve."""

from __future__ import annotations

import sys
from typing import Any


def is_served(value: Any) -> bool:
    """Whether a value is a dense tensor on the CPU or a CUDA device that needs no gradient and is not traced."""
    torch = sys.modules.get("torch")
    if torch is None or type(value).__module__.partition(".")[0] != "torch" or not isinstance(value, torch.Tensor):
        return False
    return (
        not value.requires_grad
        and value.device.type in ("cpu", "cuda")
        and value.layout is torch.strided
        and not hasattr(value, "fake_mode")
        and not torch.jit.is_tracing()
    )
