"""What lies in a folder: every path in it with the hash of its content."""
import hashlib
import os
import re
import shutil
from pathlib import Path

TEMPORARY = re.compile(r"\.(?P<name>.+?)(\.[0-9a-f]+)?\.partial(/.*)?")
JOURNAL = ".fold-journal"
# What differs from run to run: in a record of a shard the time of its file, in a page and in the JSON
# on standard output the seconds that it took and what the disk has free.
TIMES = re.compile(
    rb'"changed":\d+|"seconds": ?[0-9.e-]+|"bytes_free": ?\d+|<dt>Time</dt><dd>.*?</dd>')
# What a plan's tasks note of themselves, for people, and by what a plan knows its output.
NOTES = re.compile(r"plan/(tasks(/.*)?|\.?published\.json.*)")


def snapshot(folder):
    """Relative path to hash; folders end in a slash."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in folders:
            relative = os.path.relpath(os.path.join(place, name), folder)
            if not NOTES.fullmatch(relative):
                found[relative + "/"] = ""
        for name in files:
            path = os.path.join(place, name)
            relative = os.path.relpath(path, folder)
            if not NOTES.fullmatch(relative):
                found[relative] = content_hash(path)
    return found


def content_hash(path):
    """Of a file; a piece at a time, for a child's peak memory counts what its parent held."""
    if os.path.basename(path).startswith(".shard-") or path.endswith(".html"):
        return hashlib.sha256(without_times(Path(path).read_bytes())).hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_times(text):
    """A text without what differs from run to run."""
    return TIMES.sub(b"", text)


def part(tree, name):
    """What a snapshot has under one name."""
    return {
        path: digest for path, digest in tree.items()
        if path in (name, name + "/") or path.startswith(name + "/")
    }


def restore(template, folder):
    """Makes a folder what its template is, times included: plans look at them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder, symlinks=True)


def temporaries(paths):
    """The temporaries among some paths: those at the top, not what is inside of them."""
    return {path.split("/")[0] for path in paths if TEMPORARY.fullmatch(path)}


def records(folder, name):
    """How many shards of an output an interrupted run noted as finished."""
    return len(list(Path(folder, f".{name}.partial").glob(".shard-*.json")))
