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


# One line for each page. A replay's are added here in the same way.
RUNS = [
    merge("is", "--method", "bw", "--base", BASE),
    merge("ms", "--method", "bw", "--base", BASE),
    merge("bs", "--rank", "6"),
    merge("is", "--method", "bi", name="merge-without-base"),
    fold("fold"),
    fold("fold-bf16", "--dtype", "bf16"),
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
