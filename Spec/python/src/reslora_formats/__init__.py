"""ResLoRA adapters, norm windows and activations: the files that the Spec describes.

``reslora_formats.torch`` collects windows and activations while a PyTorch model trains; nothing
else here imports torch.
"""

from .activations import Activations, read_activations, write_activations
from .adapters import read_adapter, write_adapter
from .errors import FormatError
from .model import Adapter, BaseWeight, Block, NormWindows, Pair, Statistics
from .rows import ActivationsWriter
from .tensor import Tensor, bf16_from_float32, bf16_to_float32
from .windows import read_windows, write_windows

__all__ = [
    "Activations",
    "ActivationsWriter",
    "Adapter",
    "BaseWeight",
    "Block",
    "FormatError",
    "NormWindows",
    "Pair",
    "Statistics",
    "Tensor",
    "bf16_from_float32",
    "bf16_to_float32",
    "read_activations",
    "read_adapter",
    "read_windows",
    "write_activations",
    "write_adapter",
    "write_windows",
]
