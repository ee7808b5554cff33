#!/usr/bin/env python3
"""Compares our readers with others on many broken files: safetensors with the reference library,
strict JSON with Python's parser. Both accept with equal content, or both refuse; every difference
is one of those listed below, or a find.

    RESLORA_PYTHON=PYTHON Tests/Fuzzing/run.py                  builds, then runs this too
    python differential.py [--count 20000] [--seed 1]

Needs Python packages numpy and safetensors, and the program that run.py builds.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import safetensors

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / ".build-fuzz"
PROGRAM = BUILD / "release" / "fuzzing"

TWICE = "a name twice: the reference takes the last, so two readers may see two tensors"
# Differences that are meant: who refuses, what the refusal says, why.
SAFETENSORS = [
    ("ours", r"has the key '.*' twice", TWICE),
    ("ours", r"duplicate key '.*' in JSON",
     "a key twice in what is passed over: refused wherever it stands"),
    ("ours", r"bad '.*' in the header \(expected an object\)",
     "an entry as an array of its values: a form that only the reference's JSON library knows"),
    ("ours", r"too many dimensions", "more than 8 dimensions"),
    ("ours", r"name too long", "a name of more than 4 KiB"),
    ("ours", r"nests too deeply", "more than 16 levels in what is passed over"),
    ("ours", r"bad 'shape' in the header",
     "an extent from 2^63 on beside one of 0: no tensor has it"),
    ("ours", r"size overflows 64 bits",
     "extents of 2^63 to 2^64 elements before one of 0: no tensor has them"),
    ("theirs", r"number out of range",
     "a number beyond float64 in what is passed over: its value is of no use to us"),
]
JSON = [
    ("ours", r"not valid UTF-8", "half a surrogate pair: Python makes a string that has no UTF-8"),
    ("ours", r"nests too deeply", "more than 64 levels"),
]


# MARK: The two readers


def theirs_safetensors(content):
    try:
        entries = safetensors.deserialize(content)
    except safetensors.SafetensorError as error:
        return None, str(error)
    tensors = {
        name: (entry["dtype"], tuple(entry["shape"]), hashlib.sha256(entry["data"]).hexdigest())
        for name, entry in entries}
    return tensors, None


def ours_safetensors(line):
    if "refused" in line:
        return None, line["refused"]
    return {name: (dtype, tuple(map(int, shape)), digest)
            for name, dtype, shape, digest in line["tensors"]}, None


def repeats_a_name(content):
    levels = []

    def note(members):
        levels.append([key for key, _ in members])
        return dict(members)

    try:
        json.loads(content[8:8 + struct.unpack_from("<Q", content)[0]], object_pairs_hook=note)
    except (ValueError, RecursionError):
        return False
    return len(levels[-1]) > len(set(levels[-1])) if levels else False


class Number(str):
    """A number by its text, which is not equal to a string."""

    def __eq__(self, other):
        return isinstance(other, Number) and str.__eq__(self, other)

    __hash__ = str.__hash__


def pairs(members):
    result = {}
    for key, value in members:
        if key in result:
            raise ValueError(f"duplicate key {key}")
        result[key] = value
    return result


def no_constant(text):
    raise ValueError(f"{text} is not JSON")


def parsed(text):
    return json.loads(
        text, object_pairs_hook=pairs, parse_float=Number, parse_int=Number,
        parse_constant=no_constant)


def theirs_json(content):
    try:
        return (parsed(content.decode("utf-8")),), None
    except (ValueError, RecursionError) as error:
        return None, str(error)


def ours_json(line):
    return (None, line["refused"]) if "refused" in line else ((line["value"],), None)


def described(word, files):
    """What our reader says of files, in their order."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        paths = []
        for number, content in enumerate(files):
            path = os.path.join(folder, str(number))
            with open(path, "wb") as file:
                file.write(content)
            paths.append(path)
        result = subprocess.run(
            [str(PROGRAM), word], input="\n".join(paths) + "\n", text=True, check=True,
            stdout=subprocess.PIPE,
            env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0", SWIFT_BACKTRACE="enable=no"))
    lines = result.stdout.splitlines()
    assert len(lines) == len(files), "the program did not answer for every file"
    return [parsed(line) for line in lines]


# MARK: Broken files


class Raw(str):
    """Text that goes into a header as it is."""


def text(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Object):
        return "{" + ",".join(f"{text(key)}:{text(item)}" for key, item in value.members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


class Object:
    """An object that may have a key twice."""

    def __init__(self, members):
        self.members = [list(member) for member in members]


def tree(value):
    if isinstance(value, dict):
        return Object([(key, tree(item)) for key, item in value.items()])
    return [tree(item) for item in value] if isinstance(value, list) else value


WIDTHS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8,
          "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "F8_E5M2": 8, "F8_E4M3": 8,
          "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64}
NAMES = ["a", "b.weight", "é", "e\u0301", "", "\0", "../x", "\U0001f600", "a" * 4096, "a" * 4097,
         "__metadata__", "\x1b[0m", "x\ny"]
NUMBERS = ["0", "1", "2", "-1", "-0", "1.0", "1e0", "01", "+1", "9223372036854775807",
           "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e400",
           "4294967296", "null", "true", "\"1\"", "[]", "{}"]
VALUES = NUMBERS + ["[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]", "{\"x\":1,\"x\":2}", "\"\\ud800\"",
                    "\"\\ud83d\\ude00\"", "\"\\x\"", "\"\x01\"", "NaN", "", "1e5", "[1,]", "\"U8\"",
                    "[\"U8\",[1],[0,1]]", "[0,0]", "[0,1]", "[1]", "[2,3]"]


def valid(random):
    """A header that both accept, and its data."""
    header, offset = {}, 0
    if random.random() < 0.3:
        header["__metadata__"] = random.choice([None, {}, {"format": "pt", "é": "\t"}])
    for name in random.sample(NAMES[:4] + NAMES[6:8], random.randint(0, 4)):
        dtype = random.choice(list(WIDTHS))
        shape = [random.choice([0, 1, 2, 4, 8]) for _ in range(random.choice([0, 1, 2, 2, 3, 8]))]
        count = WIDTHS[dtype]
        for extent in shape:
            count *= extent
        if count % 8 or count > 8192:
            dtype, shape, count = "U8", [2], 16
        entry = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + count // 8]}
        keys = list(entry)
        random.shuffle(keys)
        header[name] = {key: entry[key] for key in keys}
        offset += count // 8
    return tree(header), random.randbytes(offset)


def containers(value, found):
    if isinstance(value, Object):
        found.append((value.members, True))
        for _, item in value.members:
            containers(item, found)
    elif isinstance(value, list):
        found.append((value, False))
        for item in value:
            containers(item, found)
    return found


def change(random, header):
    """Changes one thing in a header."""
    container, is_object = random.choice(containers(header, []))
    kind = random.randrange(6)
    if not container or kind == 0:
        value = Raw(random.choice(VALUES))
        names = NAMES + ["dtype", "shape", "data_offsets", "extra"]
        container.insert(
            random.randint(0, len(container)),
            [random.choice(names), value] if is_object else value)
        return
    place = random.randrange(len(container))
    if kind == 1:
        del container[place]
    elif kind == 2:
        container.insert(random.randint(0, len(container)), container[place])
    elif kind == 3:
        random.shuffle(container)
    elif is_object and kind == 4:
        container[place][0] = random.choice(NAMES + ["dtype", "shape", "data_offsets"])
    else:
        old = container[place][1] if is_object else container[place]
        if isinstance(old, int) and not isinstance(old, bool) and random.random() < 0.6:
            value = max(0, old + random.choice([-1, 1, 4, -4, 8]))
        elif isinstance(old, str) and old in WIDTHS:
            value = random.choice(list(WIDTHS) + ["F8", "f32", ""])
        else:
            value = Raw(random.choice(VALUES))
        if is_object:
            container[place][1] = value
        else:
            container[place] = value


def broken_bytes(random, content):
    content = bytearray(content)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(content) + 1)
        kind = random.randrange(5)
        if kind == 0 and content:
            content[place % len(content)] ^= 1 << random.randrange(8)
        elif kind == 1:
            content[place:place] = random.choice(
                [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b" ", b"\n", b"{", b"\"", b",",
                 b"\\u00e9", b"\\ud800", b"\0"])
        elif kind == 2:
            del content[place:place + random.randint(1, 4)]
        elif kind == 3:
            content[place:place] = content[place:place + random.randint(1, 8)]
        else:
            content += random.choice([b" ", b"\0", b"x"])
    return bytes(content)


# What chance does not make, each at least once.
SPECIAL = [
    ('{"a":["U8",[1],[0,1]]}', 1),
    ('{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}', 0),
    ('{"a":{"dtype":"U8","shape":[1],"data_offsets":[-0,1]}}', 1),
    ('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":"\\ud800"}}', 1),
    ('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":' + "[" * 13 + "]" * 13 + '}}', 1),
    ('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":' + "[" * 99 + "]" * 99 + '}}', 1),
    ('{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}', 1),
    ('{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}', 0),
    ('{"a":{"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}}', 0),
    ('{"a":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}}', 0),
    ('{"é":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
     '"e\u0301":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2),
    ('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
     '"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    ('{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}', 1),
    ('{"a":{"dtype":"U8","shape":[18446744073709551615,0],"data_offsets":[0,0]}}', 0),
    ('{"a":{"dtype":"U8","shape":[9223372036854775807,2,0],"data_offsets":[0,0]}}', 0),
    ('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{"y":1,"y":1}}}', 1),
    ('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1e400}}', 1),
    ('{"' + "a" * 4097 + '":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
    ('null', 0), ('[]', 0), ('[null]', 0), ('', 0), ('{}', 0), (' {}', 0), ('\ufeff{}', 0),
    ('{"__metadata__":{"a":"x","a":"y"}}', 0),
    ('{"__metadata__":null,"__metadata__":null}', 0),
]


def seeds(target):
    return [path.read_bytes() for kind in ("Corpus", "Crashes")
            for path in sorted((HERE / kind / target).glob("*"))]


def safetensors_files(random, count):
    """Files of the repository and of the last long runs, and made ones of which most are broken."""
    corpus = seeds("safetensors")
    files = corpus + [
        path.read_bytes() for path in sorted((BUILD / "work" / "safetensors").glob("*"))]
    for header, size in SPECIAL:
        encoded = header.encode("utf-8", "surrogatepass")
        files.append(struct.pack("<Q", len(encoded)) + encoded + bytes(size))
    for _ in range(count):
        if random.random() < 0.2:
            files.append(broken_bytes(random, random.choice(corpus)))
            continue
        header, data = valid(random)
        for _ in range(random.choice([0, 0, 1, 1, 1, 2])):
            change(random, header)
        encoded = text(header).encode("utf-8", "surrogatepass")
        if random.random() < 0.15:
            encoded = broken_bytes(random, encoded)
        if random.random() < 0.2:
            encoded = random.choice([b" ", b"\n", b""]) + encoded + b" " * random.randrange(9)
        length = len(encoded)
        if random.random() < 0.1:
            length = max(0, length + random.choice([-1, 1, -8, 8, 1 << 40, 1 << 63]))
        if random.random() < 0.1:
            data = random.choice([data[:-1], data + b"\0", b""])
        files.append(struct.pack("<Q", length) + encoded + data)
    return files


def json_files(random, count):
    corpus = sum(
        map(seeds, ["json", "description", "windows", "adapter-config", "index"]), [])
    files = corpus + [path.read_bytes() for path in sorted((BUILD / "work" / "json").glob("*"))]
    files += [b"[" * depth + b"]" * depth for depth in (16, 64, 65, 100000)]
    for _ in range(count):
        if random.random() < 0.5:
            files.append(broken_bytes(random, random.choice(corpus)))
        else:
            files.append(random.choice(VALUES + ["[%s]", "{\"a\":%s}", "{\"a\":[%s,%s]}"]).replace(
                "%s", random.choice(VALUES)).encode("utf-8", "surrogatepass"))
    return files


# MARK: Comparison


def compare(what, files, ours, theirs, known):
    """Prints counts and differences; whether all of them are known."""
    counts = collections.Counter()
    finds = BUILD / "finds" / f"differential-{what}"
    shutil.rmtree(finds, ignore_errors=True)
    unknown = 0
    for number, (content, (mine, my_reason), (other, other_reason)) in enumerate(
            zip(files, ours, theirs)):
        if mine is None and other is None:
            counts["both refuse"] += 1
        elif mine is not None and mine == other:
            counts["both accept, equal"] += 1
        else:
            side = "ours" if mine is None else "theirs" if other is None else "unequal"
            reason = my_reason if mine is None else other_reason or ""
            why = next((why for who, pattern, why in known
                        if who == side and re.search(pattern, reason)), None)
            if not why and side == "ours" and what == "safetensors" and repeats_a_name(content):
                why = TWICE  # something else is wrong with the tensor that the reference forgets
            if why:
                counts[f"only {side} refuses: {why}"] += 1
                continue
            unknown += 1
            finds.mkdir(parents=True, exist_ok=True)
            (finds / str(number)).write_bytes(content)
            if unknown <= 10:
                print(f"UNKNOWN difference ({side}): {finds / str(number)}\n  {reason}\n"
                      f"  {content[:200]!r}")
    print(f"{what}: {len(files)} files")
    for label, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {count:>7}  {label}")
    print(f"  {unknown:>7}  unknown differences")
    stale = [why for _, _, why in known if not any(why in label for label in counts)]
    for why in stale:
        print(f"  no file shows the known difference: {why}")
    return unknown == 0 and not stale


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20000, help="files of each format")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    files = safetensors_files(random.Random(options.seed), options.count)
    good = compare(
        "safetensors", files, map(ours_safetensors, described("describe-safetensors", files)),
        map(theirs_safetensors, files), SAFETENSORS)
    files = json_files(random.Random(options.seed), options.count)
    return compare(
        "json", files, map(ours_json, described("describe-json", files)), map(theirs_json, files),
        JSON) and good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
