"""Folds."""
import bases
from scenario import Scenario

ONE = ("fold", "adapter", "--method", "none", "--into", "base.safetensors")
SHARDS = ("fold", "adapter", "--method", "none", "--into", "base")


def plan(workshop):
    """The plan of a merge by weights: three tasks of statistics, one that combines them, three of folding,
    and the end."""
    bases.sharded(workshop)
    workshop.succeed(
        "fold", "adapter", "--method", "bw", "--into", "base", "-o", "out", "--plan-out",
        "plan")


def task(number):
    """A plan of which the tasks before one are done."""
    def prepare(workshop):
        plan(workshop)
        for earlier in range(number):
            workshop.succeed("plan", "run", "plan", "--task", str(earlier))
    return prepare


def folded(workshop):
    """`folded`, of which `fold.undo` makes `base`."""
    bases.sharded(workshop)
    workshop.succeed(*SHARDS, "-o", "folded", "--undo", "fold.undo")


ALL = (
    Scenario(
        "one file", bases.small, (*ONE, "-o", "out.safetensors"), ("out.safetensors",)),
    Scenario(
        "one file over another", bases.together(bases.small, bases.old("out.safetensors")),
        (*ONE, "-o", "out.safetensors", "--force"), ("out.safetensors",), is_repeatable=True),
    Scenario(
        "one large file", bases.two_groups,
        ("fold", "adapter", "--into", "base.safetensors", "-o", "out.safetensors"),
        ("out.safetensors",), points=1),
    Scenario("shards", bases.sharded, (*SHARDS, "-o", "out"), ("out",), resumes="out"),
    Scenario(
        "shards over others", bases.together(bases.sharded, bases.old_folder),
        ("fold", "adapter", "--method", "bw", "--into", "base", "-o", "out", "--force"), ("out",),
        resumes="out", is_repeatable=True, points=2),
    Scenario(
        "shards over others, no exchange", bases.together(bases.sharded, bases.old_folder),
        ("fold", "adapter", "--method", "bw", "--into", "base", "-o", "out", "--force"), ("out",),
        temporaries=2, resumes="out", is_repeatable=True, may_vanish=True,
        always="inject=renameat2:error=EINVAL", points=2),
    Scenario(
        "shards, bw merge", bases.sharded,
        ("fold", "adapter", "--method", "bw", "--into", "base", "-o", "out"), ("out",),
        resumes="out", points=2),
    Scenario(
        "shards, bw merge, two threads", bases.sharded,
        ("fold", "adapter", "--method", "bw", "--into", "base", "-o", "out"), ("out",),
        resumes="out", points=1, threads=2),
    Scenario(
        "in place, one file", bases.small, (*ONE, "--in-place"), ("base.safetensors",),
        in_place="base.safetensors"),
    Scenario(
        "in place, shards, undo file", bases.sharded,
        ("fold", "adapter", "--method", "bw", "--into", "base", "--in-place", "--undo",
         "fold.undo"),
        ("base", "fold.undo"), in_place="base"),
    Scenario(
        "in place, two groups", bases.two_groups,
        ("fold", "adapter", "--into", "base.safetensors", "--in-place"), ("base.safetensors",),
        in_place="base.safetensors", points=2),
    Scenario(
        "one file, undo file", bases.small,
        (*ONE, "-o", "out.safetensors", "--undo", "fold.undo"), ("out.safetensors", "fold.undo"),
        temporaries=2, points=3),
    Scenario(
        "shards, undo file", bases.sharded, (*SHARDS, "-o", "out", "--undo", "fold.undo"),
        ("out", "fold.undo"), temporaries=2, points=2),
    Scenario(
        "back by an undo file", folded,
        ("fold", "--undo-from", "fold.undo", "--into", "folded", "-o", "out"), ("out",), points=4),
    Scenario(
        "plan", bases.sharded,
        ("fold", "adapter", "--method", "bw", "--into", "base", "-o", "out", "--plan-out", "plan"),
        ("plan",), points=3),
    Scenario(
        "task of statistics", task(1), ("plan", "run", "plan", "--task", "1"), (),
        shared=(".out.partial", "plan"), points=3),
    Scenario(
        "task that combines", task(3), ("plan", "run", "plan", "--task", "3"), (),
        shared=(".out.partial", "plan"), points=2),
    Scenario(
        "task of folding", task(5), ("plan", "run", "plan", "--task", "5"), (),
        shared=(".out.partial", "plan"), points=4),
    Scenario(
        "finish", task(7), ("plan", "run", "plan", "--stage", "finish"), ("out",),
        shared=(".out.partial", "plan"), points=4,
        recovery=tuple(("plan", "run", "plan", "--task", str(n)) for n in range(7))),
)
