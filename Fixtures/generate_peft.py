"""Adapters made and merged by PEFT itself, for the cases that `peft/` names in CASES here.

    python Fixtures/generate_peft.py

needs torch, transformers, safetensors and peft 0.21. Each case becomes a folder of `peft/`:
`base.safetensors`, `adapter/`, `merged.safetensors`. Values are seeded; every parameter of the
adapter is drawn anew, so that nothing is zero.
"""

import pathlib
import shutil

import torch
from peft import AdaLoraConfig, LoHaConfig, LoKrConfig, LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

ROOT = pathlib.Path(__file__).parent / "peft"


class Experts(nn.Module):
    """Two stacked parameters, [E, out, in], or [E, in, out] where `transposed`."""

    def __init__(self, transposed=False):
        super().__init__()
        first, second = ((3, 8, 10), (3, 5, 8))
        if transposed:
            first, second = ((3, 8, 10), (3, 5, 8))
            self.is_transposed = True
        self.gate_up_proj = nn.Parameter(torch.randn(first))
        self.down_proj = nn.Parameter(torch.randn(second))

    def forward(self, x):
        return x


class Mixture(nn.Module):
    def __init__(self, transposed=False):
        super().__init__()
        self.mlp = nn.Module()
        self.mlp.experts = Experts(transposed)
        self.q = nn.Linear(8, 8)

    def forward(self, x):
        return self.q(x)


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv1d(10, 16, 3)
        self.two = nn.Conv2d(12, 30, (3, 2))
        self.three = nn.Conv3d(2, 5, (2, 3, 1))

    def forward(self, x):
        return x


class Mixed(nn.Module):
    """Layers that store their weight transposed and others beside them."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.transposed = Conv1D(9, 6)
        self.linear = nn.Linear(6, 4)
        self.score = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 2))

    def forward(self, x):
        return self.linear(self.embed(x))

    def get_input_embeddings(self):
        return self.embed

    def get_output_embeddings(self):
        return None


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])
        self.odd = nn.Linear(6, 4, bias=False)

    def forward(self, x):
        return x


def lora(**settings):
    return LoraConfig(r=2, lora_alpha=3, **settings)


CASES = {
    "experts": (Mixture, lora(
        target_modules=["q"],
        target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"])),
    "experts-transposed": (lambda: Mixture(True), lora(
        target_modules=[], rank_pattern={"down_proj": 3},
        target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"])),
    "experts-one-parameter": (Mixture, lora(
        target_modules=[], target_parameters=["experts.down_proj", "q.weight"])),
    "lora-conv1d-conv3d": (Convolutions, lora(target_modules=["one", "three"])),
    "dora-conv1d-conv3d": (Convolutions, lora(target_modules=["one", "three"], use_dora=True)),
    "loha-conv1d": (Convolutions, LoHaConfig(
        r=2, alpha=3, target_modules=["one", "two"], use_effective_conv2d=True)),
    "loha-conv-flat": (Convolutions, LoHaConfig(r=2, alpha=3, target_modules=["one", "two"])),
    "lokr-conv1d": (Convolutions, LoKrConfig(r=4, alpha=3, target_modules=["one"])),
    "lokr-conv-core": (Convolutions, LoKrConfig(
        r=2, alpha=3, target_modules=["one", "two"], use_effective_conv2d=True)),
    "lokr-conv-flat": (Convolutions, LoKrConfig(r=2, alpha=3, target_modules=["one", "two"])),
    "lora-mixed-orientation": (Mixed, lora(
        target_modules=["transposed", "linear"], fan_in_fan_out=True)),
    "dora-embedding-fan-in-fan-out": (Mixed, lora(
        target_modules=["transposed", "embed"], use_dora=True, fan_in_fan_out=True,
        modules_to_save=["score"])),
    "lora-embedding-saved-weight": (Mixed, lora(target_modules=["embed"])),
    "lora-bias-all": (Layers, lora(target_modules=["layers.1", "odd"], bias="all")),
    "adalora-fan-in-fan-out": (Mixed, AdaLoraConfig(
        init_r=3, lora_alpha=4, total_step=10, target_modules=["transposed"],
        fan_in_fan_out=True)),
    "adalora-rank-pattern": (Layers, AdaLoraConfig(
        init_r=3, lora_alpha=4, total_step=10, target_modules=["layers.0", "layers.1", "odd"])),
}


def make(name, build, config):
    torch.manual_seed(sum(name.encode()))
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    base = build()
    save_file(
        {k: v.contiguous().clone() for k, v in base.state_dict().items()},
        folder / "base.safetensors", metadata={"format": "pt"})
    model = get_peft_model(base, config)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "ranknum" in key:
                continue
            if parameter.requires_grad:
                parameter.copy_(torch.rand_like(parameter) + 0.1)
    if name == "adalora-rank-pattern":
        tuner = model.base_model
        pattern = {
            "layers.0.lora_E.default": [True, False, True],
            "layers.1.lora_E.default": [False, False, False],
        }
        tuner.peft_config["default"].rank_pattern = dict(pattern)
        tuner.resize_modules_by_rank_pattern(pattern, "default")
    saves = name == "lora-embedding-saved-weight"
    if saves:
        with torch.no_grad():
            model.get_submodule("base_model.model.embed.base_layer").weight.mul_(1.5)
    model.save_pretrained(folder / "adapter", save_embedding_layers=saves)
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    merged = model.merge_and_unload()
    save_file(
        {k: v.detach().contiguous().clone() for k, v in merged.state_dict().items()},
        folder / "merged.safetensors", metadata={"format": "pt"})


for name, (build, config) in CASES.items():
    make(name, build, config)
    print(name)
