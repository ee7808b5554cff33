"""The pages that are looked at: each a run of the tool, or a page made by the unit tests."""
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MINILM = ROOT / "Fixtures" / "minilm"
BASE = str(MINILM / "base.safetensors")


class Page:
    """A page and the JSON that the run which made it printed."""

    def __init__(self, name, path, result, block_key="name", has_charts=True):
        self.name = name
        self.path = path
        self.result = result
        self.block_key = block_key
        self.has_charts = has_charts

    def runs(self):
        """The blocks of each method: a result is one of one method, or has a list of them."""
        return self.result.get("methods") or [self.result]


def merge(structure, *options, name=None):
    name = name or f"merge-{structure}"
    adapter = MINILM / structure
    windows = str(adapter / "norm-windows.json")
    return name, "name", lambda folder: [
        "merge", str(adapter), "--windows", windows, "-o", f"{folder}/{name}-out", *options]


def fold(name, *options):
    return name, "weight", lambda folder: [
        "fold", str(MINILM / "is"), "--method", "bw", "--into", BASE, "-o",
        f"{folder}/{name}.safetensors", *options]


def verify(structure, *options, name):
    adapter = MINILM / structure
    return name, "name", lambda folder: [
        "verify", str(adapter), "--windows", str(adapter / "norm-windows.json"), "--activations",
        str(adapter / "activations-heldout.safetensors"), "--base", BASE,
        *(option.format(folder=folder) for option in options)]


def calibration(structure):
    return "--calibration", str(MINILM / structure / "activations-calibration.safetensors")


# One line for each page; later ones may use what earlier ones wrote.
RUNS = [
    merge("is", "--method", "bw", "--base", BASE),
    merge("ms", "--method", "bw", "--base", BASE),
    merge("bs", "--rank", "6"),
    merge("is", "--method", "bi", name="merge-without-base"),
    fold("fold"),
    fold("fold-bf16", "--dtype", "bf16"),
    merge("is", "--method", "auto", "--base", BASE, *calibration("is"), name="merge-auto"),
    verify("is", "--method", "none", "--method", "bi", "--method", "bw", "--method", "ls",
           "--method", "calibrated", *calibration("is"), "--calibration-tokens", "64,256",
           name="verify-methods"),
    verify("ms", "--method", "auto", *calibration("ms"), name="verify-auto"),
    verify("bs", "--rank", "4", *calibration("bs"), name="verify-cut"),
    verify("is", "--method", "bw", name="verify-one"),
    verify("is", "--method", "bw", "--folded", "{folder}/fold.safetensors", name="verify-folded"),
]


def make(tool, folder, samples=None):
    """Runs the tool for every page; `samples` is a folder of pages with their JSON beside them."""
    for name, block_key, arguments in RUNS:
        path = Path(folder, f"{name}.html")
        done = subprocess.run(
            [tool, *arguments(folder), "--html", str(path), "--json"], capture_output=True,
            text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {done.stderr.strip()}")
        result = json.loads(done.stdout)
        if result["html"] != str(path):
            raise RuntimeError(f"{name}: the JSON names another page: {result['html']}")
        yield Page(name, path, result, block_key)
    for path in sorted(Path(samples).glob("*.html")) if samples else []:
        yield Page(path.stem, path, json.loads(path.with_suffix(".json").read_text()))
