"""What happens to a fold on a cluster."""
import json
import os
import shutil
import signal
import time

from cluster import NODES
from workshop import require


def undisturbed(shop):
    """Undisturbed."""
    result = shop.submit()
    require([job["stage"] for job in result["jobs"]] == ["statistics", "combine", "fold", "finish"],
            f"jobs {result['jobs']}")
    shop.expect_complete()
    _, status = shop.status()
    nodes = {task.get("host") for task in status["tasks"]}
    require(all(task["attempts"] == 1 for task in status["tasks"]), "a task ran twice")
    require(len(nodes) == 1, f"hosts {nodes}")  # both nodes are this machine
    logs = [path.name for path in (shop.folder / "out.plan" / "logs").iterdir()]
    require(len(logs) == 2 * shop.shards + 2, f"{len(logs)} logs")
    # Again: everything is there.
    code, status = shop.status("--retry")
    require(code == 0 and status["resubmitted"] == [], "submitted again what was done")
    return f"{len(status['tasks'])} tasks"


def several_tasks_a_job(shop):
    """Several tasks a job, in a folder with odd characters in its name."""
    shop.folder = shop.folder.rename(shop.folder.with_name("o'dd % \"name\" 100%a"))
    shop.submit("--tasks-per-job", "5", "--threads", "1", "--sbatch-option=--comment=a \"b\" 'c'")
    shop.expect_complete()


def dead_node(shop):
    """A node dies in the middle of a task, and comes back later."""
    shop.submit()
    _, node = shop.stop_task("fold")
    shop.cluster.kill(node)
    _, status = shop.status()
    require(not status["finished"], "finished without a task")
    # Slurm finds out by itself and gives the task to the other node.
    shop.expect_complete()
    attempts = [task["attempts"] for task in shop.status()[1]["tasks"]]
    # Where it was stopped before it began with anything, it left no note of that.
    return f"most attempts of a task {max(attempts)}"


def dead_controller(shop):
    """The controller is killed while tasks run, and started again."""
    shop.submit()
    shop.wait_for("statistics", "done", 1)
    shop.cluster.kill("slurmctld")
    time.sleep(2)
    shop.cluster.start_controller()
    shop.cluster.wait_for_jobs()
    # What it had not noted down yet is lost, and said to be missing.
    code, status = shop.status()
    require(status["finished"] == (code == 0), f"status {code}")
    lost = status["missing"]
    if lost:
        shop.expect_nothing()
        shop.status("--retry")
    shop.expect_complete()
    return f"{len(lost)} tasks submitted again"


def cancelled(shop):
    """Jobs are cancelled in the middle of a task, and what is missing is submitted again."""
    result = shop.submit()
    fold = next(job["job"] for job in result["jobs"] if job["stage"] == "fold")
    shop.stop_task("fold")
    shop.cluster.run("scancel", fold)
    shop.cluster.wait_for_jobs()
    code, status = shop.status()
    require(code == 1 and not status["finished"], "nothing is missing")
    missing = status["missing"]
    require(missing and missing[-1] == len(status["tasks"]) - 1, f"missing {missing}")
    shop.expect_nothing()
    code, status = shop.status("--retry")
    require(code == 0 and status["resubmitted"] == missing, f"{missing}, {status['resubmitted']}")
    shop.expect_complete()
    return f"{len(missing)} tasks submitted again"


def retried_while_running(shop):
    """A task fails while others run; what failed goes again, and the end waits for all."""
    path = shop.folder / ".out.partial"
    result = shop.submit("--sbatch-option=--hold")
    jobs = {job["stage"]: job["job"] for job in result["jobs"]}
    for stage in ("statistics", "combine"):
        shop.cluster.run("scontrol", "release", jobs[stage])
    shop.wait_for("combine", "done", 1)
    # A folder in the place of a shard's record: that task fails alone.
    (path / ".shard-3.json").mkdir()
    shop.cluster.run("scontrol", "release", jobs["fold"])
    shop.wait_for("fold", "failed", 1)
    process, _ = shop.stop_task("fold")
    (path / ".shard-3.json").rmdir()
    code, status = shop.status("--retry")
    require(code == 0 and len(status["resubmitted"]) >= 2, f"resubmitted {status['resubmitted']}")
    os.kill(process, signal.SIGCONT)
    for job in set(shop.cluster.run("squeue", "--noheader", "--format=%F").split()):
        shop.cluster.run("scontrol", "release", job, check=False)  # some of it may run
    shop.expect_complete()


def twice_at_once(shop):
    """Every task also runs by hand, at the same time."""
    shop.submit()
    tasks = len(json.loads((shop.folder / "out.plan" / "plan.json").read_text())["tasks"])
    for stage in ("statistics", "combine", "fold"):
        count = tasks if stage == "combine" else shop.shards
        for number in range(1 if stage == "combine" else count):
            for _ in range(100):
                outcome = shop.run(
                    "plan", "run", "out.plan", "--stage", stage, "--task", number)
                if outcome.returncode == 0:
                    break
                require(outcome.returncode == 1, outcome.stderr.strip())
                time.sleep(0.1)
    shop.expect_complete()


def changed_base(shop):
    """The base changes after the plan was made: every task says so, and there is no output."""
    result = shop.submit("--sbatch-option=--hold")
    shard = next(iter(sorted((shop.folder / "base").glob("*.safetensors"))))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    for job in result["jobs"]:
        shop.cluster.run("scontrol", "release", job["job"])
    shop.cluster.wait_for_jobs()
    outcome = shop.run("plan", "status", "out.plan")
    require(outcome.returncode == 3 and "changed since the plan was made" in outcome.stderr,
            f"status {outcome.returncode}: {outcome.stderr}")
    logs = [path.read_text() for path in (shop.folder / "out.plan" / "logs").iterdir()]
    require(logs and all("changed since the plan was made" in text for text in logs), "the logs")
    shop.expect_nothing()


def two_plans(shop):
    """Two plans into one folder: the second is refused while the first fills it."""
    shop.submit()
    shop.wait_for("statistics", "done", 1)
    second = shop.run(
        *shop.fold, "--scale", "2", "-o", "out", "--engine", "slurm", "--plan-out", "other.plan")
    alone = shop.run(*shop.fold, "--scale", "2", "-o", "out")
    for outcome in (second, alone):
        require(outcome.returncode == 4 and "is being written by the plan" in outcome.stderr,
                f"status {outcome.returncode}: {outcome.stderr}")
    require(not (shop.folder / "other.plan").exists(), "the second plan is there")
    shop.expect_complete()


def fitted(shop):
    """A merge that is fitted on captured inputs, in tasks."""
    # Two files, together enough tokens for sums.
    (shop.folder / "captured").mkdir()
    for path in shop.adapter.glob("activations-*.safetensors"):
        shutil.copy(path, shop.folder / "captured")
    merge = ("merge", shop.adapter, "--method", "calibrated", "--base", "base", "--calibration",
             "captured")
    alone = shop.succeed(*merge, "-o", "merged-alone")
    shop.succeed(*merge, "-o", "merged", "--engine", "slurm", "--time", "5")
    shop.cluster.wait_for_jobs()
    status = shop.succeed("plan", "status", "merged.plan")
    require(status["finished"], f"not finished: {shop.errors(status)}")
    for path in (shop.folder / "merged-alone").iterdir():
        require(path.read_bytes() == (shop.folder / "merged" / path.name).read_bytes(), path.name)
    stages = {stage["stage"]: stage["tasks"] for stage in status["stages"]}
    require(stages["gram"] == 5 * stages["fit"] and len(alone["blocks"]) >= stages["fit"], f"stages {stages}")
    return ", ".join(f"{count} {stage}" for stage, count in stages.items())


def refused(shop):
    """Slurm refuses a job, or is not there: nothing is submitted."""
    outcome = shop.run(
        *shop.fold, "-o", "out", "--engine", "slurm", environment={"PATH": "/nowhere:/bin"}
        if not os.path.exists("/bin/sbatch") else {"PATH": "/nowhere"})
    require(outcome.returncode == 4 and "sbatch: not found" in outcome.stderr, outcome.stderr)
    require(not (shop.folder / "out.plan").exists(), "a plan is left")
    outcome = shop.run(*shop.fold, "-o", "out", "--engine", "slurm", "--plan-out", "a\\b")
    require(outcome.returncode == 2 and "no backslash" in outcome.stderr, outcome.stderr)
    outcome = shop.run(*shop.fold, "-o", "out", "--engine", "slurm", "--partition", "none")
    require(outcome.returncode == 4 and "sbatch failed" in outcome.stderr, outcome.stderr)
    require(shop.cluster.run("squeue", "--noheader").strip() == "", "jobs are left")
    shop.expect_nothing()


ALL = (
    undisturbed, several_tasks_a_job, dead_node, dead_controller, cancelled,
    retried_while_running, twice_at_once, changed_base, two_plans, fitted, refused,
)
