#!/usr/bin/env python3
"""Counts the instructions of each primitive under callgrind and compares them with figures.json.

A count needs no quiet machine: it changes only with the code, the compiler and the libraries. So a
kernel that became slower, and one that became faster and whose figure was not updated, both fail.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FIGURES = pathlib.Path(__file__).with_name("figures.json")
PROGRAM = pathlib.Path(__file__).parents[2] / "build/native/tests/instructions/counted"
ALLOWED = 0.03
SKIPPED = 77  # as ctest is told
UPDATE = "./dev count --update (or, when counted is built, tests/instructions/guard.py --update)"


def cpu_lacks():
    """Of x86-64-v3, what the program's instructions need; callgrind runs them on this CPU."""
    flags = set(re.findall(r"\w+", pathlib.Path("/proc/cpuinfo").read_text()))
    return {"avx2", "bmi2", "f16c", "fma"} - flags


def count(program):
    """What the program was built with, and {primitive: instructions}."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/profile", str(program)]
        run = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
        instructions = {}
        for profile in pathlib.Path(folder).iterdir():
            text = profile.read_text()
            if name := re.search(r"^desc: Trigger: Client Request: (.+)$", text, re.MULTILINE):
                instructions[name[1]] = int(re.search(r"^summary: (\d+)$", text, re.MULTILINE)[1])
    return run.stdout.strip(), dict(sorted(instructions.items()))


def differences(committed, counted):
    """One sentence for each primitive whose count is not the committed one.

    >>> differences({"a": 1000, "b": 1000}, {"a": 1029, "b": 971})
    []
    >>> differences({"a": 1000, "b": 1000}, {"a": 1031, "b": 969})
    ['a: 1000 instructions committed, now 1031 (+3.1 %)', 'b: 1000 instructions committed, now 969 (-3.1 %)']
    >>> differences({"gone": 1000}, {"new": 1000})
    ['gone: committed, but not counted', 'new: counted, but not committed']
    """
    found = []
    for name in sorted(committed | counted):
        if name not in counted:
            found.append(f"{name}: committed, but not counted")
        elif name not in committed:
            found.append(f"{name}: counted, but not committed")
        elif abs(change := counted[name] / committed[name] - 1) > ALLOWED:
            found.append(f"{name}: {committed[name]} instructions committed, now {counted[name]} ({change:+.1%})"
                         .replace("%", " %"))
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("program", nargs="?", default=PROGRAM, help="counted, as built by CMake")
    arguments.add_argument("--update", action="store_true", help="write figures.json instead")
    options = arguments.parse_args()

    if lacking := cpu_lacks():
        print(f"instructions are not counted: this CPU lacks {', '.join(sorted(lacking))}")
        return SKIPPED
    built_with, counted = count(options.program)
    if options.update:
        FIGURES.write_text(json.dumps({"built_with": built_with, "instructions": counted}, indent=2) + "\n")
        print(f"{FIGURES} holds {len(counted)} counts of {built_with}")
        return 0
    figures = json.loads(FIGURES.read_text())
    if built_with != figures["built_with"]:
        print(f"instructions are not compared: the figures are of {figures['built_with']}, this is {built_with}")
        return SKIPPED
    found = differences(figures["instructions"], counted)
    print("\n".join(found or [f"{len(counted)} counts are within {ALLOWED:.0%} of the committed ones"]))
    if found:
        print(f"If that is meant: {UPDATE}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
