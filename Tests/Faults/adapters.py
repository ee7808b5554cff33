"""Merges, conversions and reports."""
import bases
from scenario import Scenario

NONE = ("merge", "adapter", "--method", "none")
BW = ("merge", "adapter", "--method", "bw", "--base", "base.safetensors")
PAGE = ("--html", "page.html", "--force")
WITH_PAGE = {"is_repeatable": True, "points": 3}

ALL = (
    Scenario("merge, PEFT folder", bases.small, (*BW, "-o", "out"), ("out",)),
    Scenario(
        "merge, PEFT folder over another, page",
        bases.together(bases.small, bases.old_merge, bases.old("page.html")),
        (*BW, "-o", "out", *PAGE), ("out", "page.html"), **WITH_PAGE),
    Scenario(
        "merge, safetensors", bases.small, (*NONE, "-o", "out.safetensors"), ("out.safetensors",),
        points=3),
    Scenario(
        "merge, container over another, page",
        bases.together(bases.small, bases.old("out.reslora", "page.html")),
        (*BW, "-o", "out.reslora", *PAGE), ("out.reslora", "page.html"), **WITH_PAGE),
    Scenario("merge, HDF5", bases.small, (*NONE, "-o", "out.h5"), ("out.h5",), points=4),
    Scenario(
        "merge, HDF5 over another", bases.together(bases.small, bases.old("out.h5")),
        (*BW, "-o", "out.h5", "--force"), ("out.h5",), is_repeatable=True, points=2),
    Scenario(
        "merge, fitted, two threads", bases.captured,
        ("merge", "adapter", "--method", "calibrated", "--base", "base.safetensors",
         "--calibration", "calibration.safetensors", "-o", "out"),
        ("out",), points=1, threads=2),
    Scenario(
        "convert, container", bases.captured,
        ("convert", "adapter", "out.reslora", "--base", "base.safetensors", "--windows",
         "windows.json"),
        ("out.reslora",), points=3),
    Scenario(
        "convert, container over another", bases.together(bases.small, bases.old("out.reslora")),
        ("convert", "adapter", "out.reslora", "--force"), ("out.reslora",), is_repeatable=True,
        points=2),
    Scenario("convert, HDF5", bases.small, ("convert", "adapter", "out.h5"), ("out.h5",), points=3),
    Scenario(
        "convert, HDF5 to safetensors",
        bases.together(bases.small, bases.converted("adapter", "adapter.h5")),
        ("convert", "adapter.h5", "out.safetensors"), ("out.safetensors",), points=3),
    Scenario(
        "convert, container to HDF5, over another",
        bases.together(
            bases.small, bases.converted("adapter", "adapter.reslora"), bases.old("out.h5")),
        ("convert", "adapter.reslora", "out.h5", "--force"), ("out.h5",), is_repeatable=True,
        points=2),
    Scenario(
        "convert, shards to one file", bases.sharded, ("convert", "base", "out.safetensors"),
        ("out.safetensors",), points=3),
    Scenario(
        "convert, captured inputs to HDF5", bases.captured,
        ("convert", "heldout.safetensors", "out.h5"), ("out.h5",), points=2),
    Scenario(
        "convert, captured inputs from HDF5",
        bases.together(bases.captured, bases.converted("heldout.safetensors", "heldout.h5")),
        ("convert", "heldout.h5", "out.safetensors"), ("out.safetensors",), points=2),
    Scenario(
        "convert, windows to HDF5", bases.captured, ("convert", "windows.json", "out.h5"),
        ("out.h5",), points=2),
    Scenario(
        "convert, windows from HDF5, over others",
        bases.together(
            bases.captured, bases.converted("windows.json", "windows.h5"), bases.old("out.json")),
        ("convert", "windows.h5", "out.json", "--force"), ("out.json",), is_repeatable=True,
        points=2),
    Scenario(
        "fold, page", bases.small,
        ("fold", "adapter", "--method", "none", "--into", "base.safetensors", "-o",
         "out.safetensors", *PAGE),
        ("out.safetensors", "page.html"), **WITH_PAGE),
    Scenario(
        "verify, page over another",
        bases.together(
            bases.captured, bases.converted("heldout.safetensors", "heldout.h5"),
            bases.old("page.html")),
        ("verify", "adapter", "--method", "none", "--method", "bw", "--base", "base.safetensors",
         "--activations", "heldout.h5", *PAGE),
        ("page.html",), **WITH_PAGE),
    Scenario(
        "inspect", bases.together(bases.small, bases.converted("adapter", "adapter.h5")),
        ("inspect", "adapter.h5", "base.safetensors", "--stats"), (), points=2),
    Scenario("validate", bases.captured, ("validate", "adapter", "heldout.safetensors"), (), points=2),
    Scenario("diff", bases.small, ("diff", "base.safetensors", "base.safetensors"), (), points=2),
)
