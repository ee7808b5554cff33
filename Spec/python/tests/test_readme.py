"""Every Python snippet of README.md runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_snippets(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain = [snippet for snippet in SNIPPETS if "torch." not in snippet]
    assert len(plain) == 3
    for snippet in plain:
        exec(compile(snippet, "README.md", "exec"), {})
    assert "model.layers.1.self_attn.q_proj model.layers.0" in capsys.readouterr().out
    assert (tmp_path / "adapter.h5").exists() and (tmp_path / "mine.reslora").exists()


def test_snippets_of_training(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch", reason="torch is not installed")
    from test_collector import Model, batch, mask

    from reslora_formats import read_activations, read_adapter

    monkeypatch.chdir(tmp_path)
    model = Model()

    class Trainer:
        def train(self):
            for seed in range(3):
                model(batch(seed)).sum().backward()

    names = {
        "model": model,
        "trainer": Trainer(),
        "loader": [{"x": batch(seed), "attention_mask": mask(seed)} for seed in range(3)],
    }
    training = [snippet for snippet in SNIPPETS if "torch." in snippet]
    assert len(training) == 2
    for snippet in training:
        exec(compile(snippet, "README.md", "exec"), names)
    adapter = read_adapter("adapter.reslora")
    assert len(adapter.blocks[0].windows.input) == 3
    with read_activations("activations.safetensors") as activations:
        activations.check_adapter(adapter)
