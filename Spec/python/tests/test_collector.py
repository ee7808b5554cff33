"""The collector against independent computations on a tiny model; needs torch."""

from __future__ import annotations

import copy
import math
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: hooks are not tested")

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from reslora_formats import FormatError, read_activations, read_adapter, read_windows  # noqa: E402
from reslora_formats.torch import ResLoRACollector  # noqa: E402

IN, RANK, BATCH, LENGTH, LAYERS = 16, 3, 4, 6, 3


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lora_A = nn.Parameter(torch.randn(RANK, IN))
        self.lora_B = nn.Parameter(torch.randn(IN, RANK))
        self.scaling = 2.0

    def forward(self, x):
        return x @ self.lora_A.T @ self.lora_B.T * self.scaling


class Config:
    rank, lora_alpha, target_modules = RANK, 2 * RANK, "q.v"
    pre_num, merge_4_len, merge_flag, res_flag = 999, 5, 0, 1


class Linear(nn.Linear):
    """The shape of the published code's linear: an input-shortcut over its predecessor."""

    def __init__(self, config, pairs=1) -> None:
        super().__init__(IN, IN)
        self.resconfig = config
        self.loras = nn.ModuleList(Pair() for _ in range(pairs))
        self.cur_lora_index = pairs - 1
        self.pre_lora = None  # a module later, which makes it a submodule, as there
        self.cur_input = None

    def forward(self, x):
        self.cur_input = x
        before = x if self.pre_lora is None else self.pre_lora.cur_input
        before = x if before is None else before
        result = super().forward(x)
        for pair in self.loras:
            result = result + pair(x + before.detach())
        return result


class Layer(nn.Module):
    def __init__(self, config, pairs) -> None:
        super().__init__()
        self.query = Linear(config, pairs)
        self.value = Linear(config, pairs)
        self.checkpointing: bool | None = None

    def inner(self, x):
        return torch.tanh(self.query(x) + self.value(x)) + x

    def forward(self, x):
        if self.checkpointing is None:
            return self.inner(x)
        return checkpoint(self.inner, x, use_reentrant=self.checkpointing)


class Model(nn.Module):
    def __init__(self, pairs=1, config=None) -> None:
        super().__init__()
        self.resconfig = config or Config()
        self.layer = nn.ModuleList(Layer(self.resconfig, pairs) for _ in range(LAYERS))
        for name in ("query", "value"):
            for before, after in zip(self.layer, self.layer[1:]):
                getattr(after, name).pre_lora = getattr(before, name)

    def forward(self, x, attention_mask=None):
        for layer in self.layer:
            x = layer(x)
        return x


def names() -> list[str]:
    return [f"layer.{n}.{kind}" for n in range(LAYERS) for kind in ("query", "value")]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Model()


def batch(seed: int) -> torch.Tensor:
    return torch.randn(BATCH, LENGTH, IN, generator=torch.Generator().manual_seed(seed))


def mask(seed: int) -> torch.Tensor:
    lengths = torch.randint(1, LENGTH + 1, (BATCH,), generator=torch.Generator().manual_seed(seed))
    return (torch.arange(LENGTH) < lengths[:, None]).long()


def layer_inputs(model: Model, x: torch.Tensor) -> list[torch.Tensor]:
    """The input of each layer, without hooks."""
    inputs = []
    with torch.no_grad():
        for layer in model.layer:
            inputs.append(x)
            x = layer.inner(x)
    return inputs


def expected_norms(model: Model, seeds) -> dict[str, tuple[list[float], list[float]]]:
    result = {name: ([], []) for name in names()}
    for seed in seeds:
        for number, x in enumerate(layer_inputs(model, batch(seed))):
            rows = x.double().reshape(-1, IN).numpy()
            for kind in ("query", "value"):
                pairs = getattr(model.layer[number], kind).loras
                A = np.concatenate([pair.lora_A.detach().double().numpy() for pair in pairs])
                lists = result[f"layer.{number}.{kind}"]
                lists[0].append(math.sqrt((rows**2).sum()))
                lists[1].append(math.sqrt(((rows @ A.T) ** 2).sum()))
    return result


def assert_windows(collector, expected, length: int) -> None:
    assert list(collector.windows) == names()
    for name, windows in collector.windows.items():
        assert windows.input == pytest.approx(expected[name][0][-length:], rel=1e-6)
        assert windows.projection == pytest.approx(expected[name][1][-length:], rel=1e-6)


def test_windows_hold_the_last_norms(model, tmp_path):
    with ResLoRACollector(model) as collector:
        for seed in range(7):
            model(batch(seed)).sum().backward()
    assert collector.capacity == 5  # merge_4_len
    assert_windows(collector, expected_norms(model, range(7)), 5)
    collector.save(tmp_path / "a.reslora", windows=tmp_path / "w.json")
    assert read_windows(tmp_path / "w.json", capacity=5) == collector.windows

    adapter = read_adapter(tmp_path / "a.reslora")
    assert (adapter.structure, adapter.root, adapter.pre_num) == ("is", "self", 999)
    assert [block.name for block in adapter.blocks] == names()
    assert adapter.block("layer.2.value").previous == "layer.1.value"
    assert adapter.block("layer.0.query").previous is None
    block = adapter.block("layer.1.query")
    pair = model.layer[1].query.loras[0]
    assert block.scaling == 2.0
    assert np.array_equal(block.pairs[0].lora_A.data, pair.lora_A.detach().numpy())
    assert np.array_equal(block.pairs[0].lora_B.data, pair.lora_B.detach().numpy())
    assert block.windows == collector.windows["layer.1.query"]


def test_stacked_pairs_count_together(tmp_path):
    torch.manual_seed(1)
    model = Model(pairs=2)
    with ResLoRACollector(model, capacity=3) as collector:
        model(batch(0))
    assert_windows(collector, expected_norms(model, [0]), 3)
    collector.save(tmp_path / "a.h5")
    assert len(read_adapter(tmp_path / "a.h5").blocks[0].pairs) == 2


def test_pairs_not_in_use_are_left_out():
    model = Model(pairs=2)
    for layer in model.layer:
        for linear in (layer.query, layer.value):
            linear.cur_lora_index = 0
    with ResLoRACollector(model) as collector:
        assert len(collector.adapter().blocks[0].pairs) == 1
        for layer in model.layer:
            layer.query.cur_lora_index = -100
        with pytest.raises(ValueError, match="no pair in use"):
            collector.adapter()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_counts_once(model, reentrant):
    expected = expected_norms(model, range(3))
    for layer in model.layer:
        layer.checkpointing = reentrant
    with ResLoRACollector(model) as collector:
        for seed in range(3):
            model(batch(seed).requires_grad_()).sum().backward()
    assert collector.forwards == 3
    assert not collector.dropped
    assert_windows(collector, expected, 5)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint_around_the_whole_model_counts_once(model, reentrant):
    expected = expected_norms(model, range(2))
    with ResLoRACollector(model) as collector:
        for seed in range(2):
            x = batch(seed).requires_grad_()
            checkpoint(model, x, use_reentrant=reentrant).sum().backward()
    assert collector.forwards == 2
    assert not collector.dropped
    assert_windows(collector, expected, 5)


def test_evaluation_adds_no_norms(model):
    with ResLoRACollector(model) as collector:
        model.eval()
        model(batch(0))
        assert not any(collector.windows.values())
        model.train()
        model(batch(1))
        model(batch(2))  # several forwards a step
    assert collector.forwards == 2
    with ResLoRACollector(model.eval(), windows_in_evaluation=True) as collector:
        model(batch(0))
    assert collector.forwards == 1


def test_remove_ends_collecting(model):
    collector = ResLoRACollector(model)
    model(batch(0))
    collector.remove()
    model(batch(1))
    assert collector.forwards == 1
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_failed_and_non_finite_forwards_add_nothing(model):
    with ResLoRACollector(model) as collector:
        with pytest.raises(RuntimeError):
            model(torch.randn(2, IN + 1))
        with pytest.warns(UserWarning, match="not finite"):
            model(batch(0) * math.inf)
        model(batch(1))
    assert_windows(collector, expected_norms(model, [1]), 5)


def test_a_copy_of_the_model_is_not_collected(model):
    with ResLoRACollector(model) as collector:
        copy.deepcopy(model)(batch(0))
    assert collector.forwards == 0


def test_mixed_precision(model):
    with ResLoRACollector(model) as collector:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            model(batch(0))
    # The first layer sees the float32 batch; A x is not rounded to bfloat16.
    first = expected_norms(model, [0])["layer.0.query"]
    assert collector.windows["layer.0.query"].input == pytest.approx(first[0], rel=1e-6)
    assert collector.windows["layer.0.query"].projection == pytest.approx(first[1], rel=1e-6)


def test_half_batches_do_not_overflow():
    model = nn.Sequential(nn.Linear(8, 8).half())
    A = torch.full((2, 8), 100.0).half()
    with ResLoRACollector(model, {"0": (A, A.T.contiguous(), 1.0)}) as collector:
        model(torch.full((4, 8), 60_000.0).half())
    assert collector.windows["0"].input == [pytest.approx(60_000 * math.sqrt(32))]
    assert collector.windows["0"].projection == [pytest.approx(60_000 * 800 * math.sqrt(8))]


def test_threads_do_not_mix(model):
    """As replicas of DataParallel run: each forward is one batch."""
    expected = expected_norms(model, range(8))
    with ResLoRACollector(model, capacity=100) as collector:
        threads = [
            threading.Thread(target=lambda s=seed: copied(model)(batch(s))) for seed in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert collector.forwards == 8
    order = None
    for name, windows in collector.windows.items():
        assert sorted(windows.input) == pytest.approx(sorted(expected[name][0]), rel=1e-6)
        ranks = [min(range(8), key=lambda s: abs(expected[name][0][s] - v)) for v in windows.input]
        order = order or ranks
        assert ranks == order


def copied(model: Model) -> Model:
    replica = copy.deepcopy(model)
    for module in replica.modules():
        module._is_replica = True
    return replica


# MARK: - Activations


def test_activations_are_aligned(model, tmp_path):
    seeds = range(4)
    model.eval()
    with ResLoRACollector(model) as collector:
        with collector.capture(), torch.no_grad():
            for seed in seeds:
                model(batch(seed), attention_mask=mask(seed))
    collector.save(
        tmp_path / "a.safetensors", activations=tmp_path / "x.safetensors", metadata={"by": "test"}
    )
    expected: list[list[np.ndarray]] = [[] for _ in range(LAYERS)]
    for seed in seeds:
        for number, x in enumerate(layer_inputs(model, batch(seed))):
            expected[number].append(x[mask(seed).bool()].half().numpy())
    with read_activations(tmp_path / "x.safetensors") as activations:
        activations.check_adapter(read_adapter(tmp_path / "a.safetensors"))
        assert sorted(activations.inputs) == ["layer.0", "layer.1", "layer.2"]
        assert activations.blocks == {name: name.rpartition(".")[0] for name in names()}
        assert activations.metadata == {"by": "test"}
        for number in range(LAYERS):
            tensor = activations.tensor(f"layer.{number}")
            assert tensor.dtype == "F16"
            assert np.array_equal(tensor.data, np.concatenate(expected[number]))


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_dtypes_of_activations(model, tmp_path, dtype):
    with ResLoRACollector(model.eval()) as collector:
        with collector.capture(dtype=dtype):
            model(batch(0))
    collector.save(tmp_path / "a.reslora", activations=tmp_path / "x.h5")
    with read_activations(tmp_path / "x.h5") as activations:
        tensor = activations.tensor("layer.0")
    assert tensor.dtype == dtype
    wanted = batch(0).reshape(-1, IN)
    if dtype in ("F16", "BF16"):
        wanted = wanted.to({"F16": torch.float16, "BF16": torch.bfloat16}[dtype])
    assert np.array_equal(tensor.to_float64(), wanted.double().numpy())


def test_bounds(model):
    with ResLoRACollector(model.eval()) as collector:
        with collector.capture(max_tokens=30):
            model(batch(0))
            assert (collector.tokens, collector.full) == (24, False)
            model(batch(1))
            assert (collector.tokens, collector.full) == (30, True)
            model(batch(2))
            assert collector.tokens == 30
        collector.clear_activations()
        with collector.capture(max_bytes=10 * LAYERS * IN * 2 + 1):
            model(batch(0))
        assert (collector.tokens, collector.full) == (10, True)


def test_a_shared_input_that_stops_being_shared(model, tmp_path):
    layer = model.layer[1]
    with ResLoRACollector(model.eval()) as collector, collector.capture():
        model(batch(0))
        # An equal tensor is as good as the same one.
        layer.inner = lambda x: layer.query(x) + layer.value(x.clone())
        model(batch(1))
        layer.inner = lambda x: layer.query(x) + layer.value(2 * x)
        model(batch(2))
        collector.save(tmp_path / "a.reslora", activations=tmp_path / "x.safetensors")
    with read_activations(tmp_path / "x.safetensors") as activations:
        assert activations.blocks["layer.1.query"] == "layer.1"
        assert activations.blocks["layer.1.value"] == "layer.1.value"
        query = activations.tensor("layer.1").to_float32()
        value = activations.tensor("layer.1.value").to_float32()
    rows = BATCH * LENGTH
    assert np.array_equal(query[: 2 * rows], value[: 2 * rows])
    assert np.allclose(2 * query[2 * rows :], value[2 * rows :], rtol=1e-3)


def test_an_input_written_to_in_between_is_not_shared(model):
    layer = model.layer[0]

    def inner(x):
        result = layer.query(x)
        x.mul_(2)
        return result + layer.value(x)

    layer.inner = inner
    with ResLoRACollector(model.eval()) as collector, collector.capture(), torch.no_grad():
        model(batch(0))
        assert collector._capture.names["layer.0.value"] == "layer.0.value"


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda m: m.train(), "training mode"),
        (lambda m: setattr(m.resconfig, "merge_flag", 4), "merged evaluation"),
        (lambda m: setattr(m.layer[1], "inner", lambda x: x), "did not run"),
        (lambda m: setattr(m.layer[1], "inner", lambda x: m.layer[1].query(x)), "did not run"),
        (
            lambda m: setattr(
                m.layer[1], "inner", lambda x: m.layer[1].query(x[:1]) + m.layer[1].value(x)
            ),
            "different numbers of rows",
        ),
        (
            lambda m: setattr(
                m.layer[1], "inner", lambda x: m.layer[1].value(m.layer[1].query(m.layer[1].query(x)))
            ),
            "more than once",
        ),
    ],
)
def test_what_cannot_be_aligned_is_left_out(prepare, reason):
    model = Model(config=type("Own", (Config,), {})()).eval()
    prepare(model)
    with ResLoRACollector(model) as collector, collector.capture():
        with pytest.warns(UserWarning, match=reason):
            model(batch(0))
        assert collector.tokens == 0
        assert sum(collector.skipped.values()) == 1
        with pytest.raises(ValueError, match="no activations"):
            collector.save("unused.reslora", activations="unused.safetensors")


def test_masks(model):
    with ResLoRACollector(model.eval()) as collector, collector.capture():
        with pytest.warns(UserWarning, match="under a mask"):
            model(batch(0), attention_mask=torch.ones(BATCH, 1, 1, LENGTH))
        with collector.mask(mask(3)):
            model(batch(0))
        assert collector.tokens == int(mask(3).sum())
        with torch.inference_mode():
            model(batch(0), attention_mask=mask(4).bool())
        assert collector.tokens == int(mask(3).sum() + mask(4).sum())
        with pytest.warns(UserWarning, match="not finite as F16"):
            model(batch(0) * 1e6)


# MARK: - Where adapters are found


def test_wrapped_like_the_published_code(model):
    class ResLoraModel(nn.Module):
        """It calls what it wraps from ``__call__``, so its own hooks never run."""

        def __init__(self, model):
            super().__init__()
            self.wrapped_model = model

        def __call__(self, *args, **kwargs):
            return self.wrapped_model(*args, **kwargs)

    for outer in (ResLoraModel(model), nn.DataParallel(model), nn.DataParallel(ResLoraModel(model))):
        with ResLoRACollector(outer) as collector:
            outer(batch(0))
        assert_windows(collector, expected_norms(model, [0]), 5)


def test_links_are_inferred_without_pre_lora(model):
    expected = ResLoRACollector(model).previous
    for layer in model.layer:
        for linear in (layer.query, layer.value):
            linear.forward = lambda x: x
            del linear.pre_lora
    assert ResLoRACollector(model).previous == expected


def test_explicit_mapping():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
    mapping = {n: (torch.randn(2, 8), torch.randn(8, 2), 0.5) for n in ("0", "2")}
    with pytest.raises(ValueError, match="no adapted linears"):
        ResLoRACollector(model)
    with pytest.raises(ValueError, match="needs previous="):
        ResLoRACollector(model, mapping, structure="ms")
    links = {"0": None, "2": "0"}
    with ResLoRACollector(model, mapping, structure="ms", previous=links) as collector:
        model(torch.randn(3, 8))
    adapter = collector.adapter()
    assert adapter.structure == "ms" and adapter.blocks[1].previous == "0"
    assert all(len(block.windows.projection) == 1 for block in adapter.blocks)


def A(*shape, dtype=torch.float32):
    return torch.zeros(shape or (4, 16), dtype=dtype)


def B(*shape, dtype=torch.float32):
    return torch.zeros(shape or (8, 4), dtype=dtype)


LINKS = {"0": None, "1": "0"}
FORM = "expected (A, B, scaling) or ([(A, B), …], scaling))"
DTYPE = "expected torch.float16 or torch.bfloat16 or torch.float32 or torch.float64) [Adapter §1.3]"
IN_FACTORS = {
    "two": ((A(), B()), f" (found (Tensor, Tensor), {FORM}"),
    "one": (A(), f" (found Tensor, {FORM}"),
    "no pairs": (([], 1.0), f" (found ([], float), {FORM}"),
    "triples": (([(A(), B(), 1)], 1.0), f" (found ([(Tensor, Tensor, int)], float), {FORM}"),
    "scaling": ((A(), 1.0, B()), ": scaling (found Tensor, expected a number) [Adapter §1.3]"),
    "infinite": (
        (A(), B(), math.inf), ": scaling (found inf, expected finite) [Adapter §1.3]",
    ),
    "int32": ((A(dtype=torch.int32), B(), 1), f": A (found torch.int32, {DTYPE}"),
    "array": (
        (A(), np.zeros((8, 4)), 1),
        ": B (found ndarray, expected a torch tensor) [Adapter §1.3]",
    ),
    "swapped": (
        (A(16, 4), B(4, 8), 1),
        ": A (found shape [16, 4], expected [r, 16] for this linear) [Adapter §1.3]",
    ),
    "in": (
        (A(4, 8), B(), 1),
        ": A (found shape [4, 8], expected [r, 16] for this linear) [Adapter §1.3]",
    ),
    "second pair": (
        ([(A(), B()), (A(), B(4, 4))], 1),
        ": B of pair 1 (found shape [4, 4], expected [8, r] for this linear) [Adapter §1.3]",
    ),
    "dimensions": (
        (A(16), B(), 1),
        ": A (found shape [16], expected [r, 16] for this linear) [Adapter §1.3]",
    ),
    "rank": (
        (A(), B(8, 3), 1),
        ": rank of pair 0 (found B of rank 3, expected that of A, 4) [Adapter §1.3]",
    ),
}


@pytest.mark.parametrize("name", IN_FACTORS)
def test_wrong_factors_are_found_before_training(name):
    model = nn.Sequential(nn.Linear(16, 8), nn.Linear(16, 8))
    value, text = IN_FACTORS[name]
    with pytest.raises(FormatError) as caught:
        ResLoRACollector(model, {"0": (A(), B(), 1.0), "1": value})
    assert str(caught.value) == f"factors: block '1'{text}"
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"previous": {"0": None, "1": "x"}},
            "block '1': previous (found 'x', expected a block of the adapter) [Adapter §1.4]",
        ),
        (
            {"previous": {"0": "1", "1": "0"}},
            "block '0': previous (found a cycle of predecessors, "
            "expected a chain that ends at a root) [Merging §3.2]",
        ),
        (
            {"previous": {"0": None}},
            "previous: '1' (found no entry, expected an entry for each block and for nothing else)",
        ),
        (
            {"previous": {**LINKS, "x": None}},
            "previous: 'x' (found no such block, "
            "expected an entry for each block and for nothing else)",
        ),
        (
            {"structure": "as"},
            "structure (found as, expected plain or is or bs or ms) [Adapter §2.1]",
        ),
        ({"structure": ""}, "structure (found , expected plain or is or bs or ms) [Adapter §2.1]"),
        ({"root": "both"}, "root (found both, expected self or none) [Adapter §2.1]"),
        ({"pre_num": -2}, "pre_num (found -2, expected an integer from -1 on) [Adapter §2.1]"),
        ({"capacity": 0}, "capacity (found 0, expected an integer from 1 on) [Adapter §1.5]"),
        (
            {"factors": {"0": (A(), B(), 1.0), "1": (A(2, 16), B(8, 2), 1.0)}},
            "block '1': rank (found 2, expected 4 as its predecessor '0') [Merging §3.2]",
        ),
        (
            {"factors": {}, "previous": {}},
            "blocks (found none, expected at least one block) [Adapter §1.1]",
        ),
    ],
)
def test_wrong_arguments_are_found_before_training(arguments, text):
    model = nn.Sequential(nn.Linear(16, 8), nn.Linear(16, 8))
    good = {
        "factors": {name: (A(), B(), 1.0) for name in ("0", "1")},
        "structure": "ms",
        "previous": LINKS,
    }
    ResLoRACollector(model, **good).remove()
    with pytest.raises(FormatError) as caught:
        ResLoRACollector(model, **{**good, **arguments})
    assert str(caught.value) == f"ResLoRACollector: {text}"


def test_names_of_no_module():
    with pytest.raises(FormatError) as caught:
        ResLoRACollector(nn.Linear(16, 8), {"x": (A(), B(), 1.0)})
    text = "factors: block 'x' (found no such module in the model, expected one)"
    assert str(caught.value) == text


def test_linears_with_transposed_weights():
    class Conv1D(nn.Module):
        """As in transformers: the weight is [in, out]."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(16, 8))

        def forward(self, x):
            return x @ self.weight

    model = nn.Sequential(Conv1D())
    with ResLoRACollector(model, {"0": (A(), B(), 1.0)}) as collector:
        model(torch.ones(2, 16))
    assert collector.adapter().blocks[0].in_features == 16
    with pytest.raises(FormatError, match=r"found shape \[4, 8\], expected \[r, 16\]"):
        ResLoRACollector(model, {"0": (A(4, 8), B(16, 4), 1.0)})


def test_what_a_published_model_states_wrongly(model):
    model.layer[0].query.pre_lora = nn.Linear(2, 2)
    with pytest.raises(FormatError, match="model: block 'layer.0.query': pre_lora"):
        ResLoRACollector(model)
    with pytest.raises(FormatError, match="model: res_flag .found 7, expected 0, 1, 2 or 3"):
        ResLoRACollector(Model(config=type("Own", (Config,), {"res_flag": 7})()))


def test_a_model_whose_pairs_are_yet_to_be_used(model):
    for layer in model.layer:
        layer.query.cur_lora_index = layer.value.cur_lora_index = -1
    with ResLoRACollector(model) as collector:
        model(batch(0))
    assert collector.forwards == 0
    model.layer[1].query.loras[0].scaling = math.nan
    with pytest.raises(FormatError, match="model: block 'layer.1.query': scaling"):
        ResLoRACollector(model)


def test_extensions_are_checked_before_anything_is_written(model, tmp_path):
    with ResLoRACollector(model) as collector:
        model(batch(0))
        with collector.capture(training=True):
            model(batch(0))
    good = {"adapter": "a.h5", "activations": "x.h5", "windows": "w.json"}
    for key, name in (("adapter", "t3"), ("activations", "x.json"), ("windows", "w.reslora")):
        paths = {k: tmp_path / (name if k == key else v) for k, v in good.items()}
        with pytest.raises(FormatError, match=f"{name}: extension .*one of [^\\[]*$"):
            collector.save(**paths)
    assert list(tmp_path.iterdir()) == []


def test_a_call_past_the_model_is_reported(model):
    with ResLoRACollector(model) as collector:
        with pytest.warns(UserWarning, match="outside a forward"):
            model.layer[0](batch(0))
    assert collector.forwards == 0


def test_peft(tmp_path):
    peft = pytest.importorskip("peft", reason="peft is not installed")

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.value = nn.Linear(IN, IN), nn.Linear(IN, IN)

        def forward(self, x, attention_mask=None):
            return self.query(x) + self.value(x)

    torch.manual_seed(3)
    config = peft.LoraConfig(r=4, lora_alpha=6, target_modules=["query", "value"])
    model = peft.get_peft_model(Attention(), config)
    with ResLoRACollector(model) as collector:
        model(batch(0))
        model.eval()
        with collector.capture():
            model(batch(1), attention_mask=mask(1))
        collector.save(
            tmp_path / "a.safetensors", activations=tmp_path / "x.h5", windows=tmp_path / "w.h5"
        )
    adapter = read_adapter(tmp_path / "a.safetensors")
    assert [block.name for block in adapter.blocks] == ["query", "value"]
    assert adapter.structure == "plain" and adapter.blocks[0].scaling == 1.5
    A = model.base_model.model.query.lora_A["default"].weight.detach().double().numpy()
    rows = batch(0).double().reshape(-1, IN).numpy()
    assert adapter.blocks[0].windows.input == [pytest.approx(np.linalg.norm(rows), rel=1e-6)]
    assert adapter.blocks[0].windows.projection == [
        pytest.approx(np.linalg.norm(rows @ A.T), rel=1e-6)
    ]
    assert read_windows(tmp_path / "w.h5")["value"] == adapter.blocks[1].windows
    with read_activations(tmp_path / "x.h5") as activations:
        assert list(activations.inputs) == ["query"]  # no common name but the model's own
        assert activations.blocks == {"query": "query", "value": "query"}
        assert activations.tokens == int(mask(1).sum())
