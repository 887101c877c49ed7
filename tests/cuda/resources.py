#!/usr/bin/env python3
"""Compares the resources of each kernel, as ptxas reports them, with figures.json.

They need no card: they change only with the code and the compiler. More registers let fewer threads
run at a time; a stack frame or a spill sends what should be in registers through memory.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

FIGURES = pathlib.Path(__file__).with_name("figures.json")
REPORTS = pathlib.Path(__file__).parents[2] / "build/cuda/tests/cuda"
SKIPPED = 77  # as ctest is told
UPDATE = "./dev count --update (or, when the preset cuda is built, tests/cuda/resources.py --update)"
UNITS = {"registers": "registers", "stack": "bytes of stack", "spilled": "bytes spilled"}
ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\w+)' for '(?P<architecture>\w+)'.*?"
    r"Function properties for (?P=name)\n"
    r" *(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers", re.DOTALL)


def short(demangled):
    """
    >>> short("void mlot::x86_64::simt::cuda::cuda_kernel<mlot::x86_64::simt::k_kernel<"
    ...       "mlot::x86_64::simt::cuda::device<mlot::x86_64::simt::cuda::any_card>, float> >(mlot)")
    'k<float>'
    """
    demangled = re.sub(r"mlot::\w+::", "mlot::", demangled)  # the host's instruction set
    name = re.sub(r"^void mlot::simt::cuda::cuda_kernel<(.*?) ?>\(.*$", r"\1", demangled)
    for pattern, instead in (("mlot::(simt::)?(cuda::)?", ""), ("device<any_card>(, )?", ""), ("_kernel<", "<"),
                             (" >", ">")):
        name = re.sub(pattern, instead, name)
    return name.removesuffix("<>")


def kernels_of(report):
    """{name: {architecture: {registers, and stack and spilled where not 0}}} of ptxas's words.

    >>> kernels_of('''ptxas info    : Compiling entry function 'f' for 'sm_90'
    ... ptxas info    : Function properties for f
    ...     8 bytes stack frame, 4 bytes spill stores, 6 bytes spill loads
    ... ptxas info    : Used 40 registers, used 1 barriers
    ... ''')
    {'f': {'sm_90': {'registers': 40, 'stack': 8, 'spilled': 10}}}
    """
    found = [match.groupdict() for match in ENTRY.finditer(report)]
    names = subprocess.run(["c++filt"], input="\n".join(entry["name"] for entry in found), capture_output=True,
                           text=True, check=True).stdout.splitlines()
    kernels = {}
    for entry, name in zip(found, names):
        figures = {"registers": int(entry["registers"]), "stack": int(entry["stack"]),
                   "spilled": int(entry["stores"]) + int(entry["loads"])}
        kernels.setdefault(short(name), {})[entry["architecture"]] = {
            what: n for what, n in figures.items() if n or what == "registers"}
    return kernels


def differences(committed, compiled):
    """One sentence for each kernel that is new or gone, and for all that has grown.

    >>> old = {"a": {"sm_90": {"registers": 40}}, "gone": {"sm_75": {"registers": 8}}}
    >>> differences(old, {"a": {"sm_90": {"registers": 39}}, "new": {"sm_75": {"registers": 8}}})
    ['gone, sm_75: committed, but not compiled', 'new, sm_75: compiled, but not committed']
    >>> differences({"a": old["a"]}, {"a": {"sm_90": {"registers": 41, "spilled": 4}}})
    ['a, sm_90: 40 registers committed, now 41', 'a, sm_90: 0 bytes spilled committed, now 4']
    """
    found = []
    for name in sorted(committed | compiled):
        was, now = committed.get(name, {}), compiled.get(name, {})
        for architecture in sorted(was | now):
            place = f"{name}, {architecture}"
            if architecture not in now:
                found.append(f"{place}: committed, but not compiled")
            elif architecture not in was:
                found.append(f"{place}: compiled, but not committed")
            else:
                old, new = was[architecture], now[architecture]
                found += [f"{place}: {old.get(what, 0)} {unit} committed, now {new[what]}"
                          for what, unit in UNITS.items() if new.get(what, 0) > old.get(what, 0)]
    return found


def write(built_with, kernels):
    """One line a kernel, so that a change shows as one."""
    lines = [f"    {json.dumps(name)}: {json.dumps(kernels[name], sort_keys=True)}" for name in sorted(kernels)]
    FIGURES.write_text(f'{{\n  "built_with": {json.dumps(built_with)},\n  "kernels": {{\n' + ",\n".join(lines) +
                       "\n  }\n}\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", nargs="?", type=pathlib.Path, default=REPORTS, help="of the reports")
    arguments.add_argument("--update", action="store_true", help="write figures.json instead")
    options = arguments.parse_args()

    built_with = (options.folder / "compiler.txt").read_text().strip()
    kernels = kernels_of("".join(path.read_text() for path in sorted(options.folder.glob("kernels_*.txt"))))
    if not kernels:
        sys.exit(f"no kernels are reported in {options.folder}")
    if options.update:
        write(built_with, kernels)
        print(f"{FIGURES} holds {len(kernels)} kernels of {built_with}")
        return 0
    figures = json.loads(FIGURES.read_text())
    if built_with != figures["built_with"]:
        print(f"resources are not compared: the figures are of {figures['built_with']}, this is {built_with}")
        return SKIPPED
    found = differences(figures["kernels"], kernels)
    print("\n".join(found or [f"{len(kernels)} kernels need no more than is committed"]))
    if found:
        print(f"If that is meant: {UPDATE}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
