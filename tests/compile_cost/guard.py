#!/usr/bin/env python3
"""What a call costs the file that contains it: compiles files with one call each and compares the bytes of their code with
figures.json. Bytes need no quiet machine: they change only with the code, the compiler and the libraries. Seconds are
printed beside those of a fixed reference program, and compared with nothing.
"""
import argparse
import json
import pathlib
import re
import resource
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
FIGURES = HERE / "figures.json"
FLAGS = ["-std=c++20", "-O3", "-march=x86-64-v4", "-fopenmp", f"-I{HERE.parents[1] / 'include'}"]
REFERENCE = "reference"
COMPILED = ["-DMLOT_COMPILED=1", "-DMLOT_COMPILED_SIMD=1"]  # as the target mlot::compiled says
FILES = {name: (HERE / f"{name}.cpp", COMPILED if name.endswith("_compiled") else [])
         for name in ("include_mlot", "include_simd", "include_xsimd", "multi_level_compiled", "multi_level_on_scalar",
                      "multi_level_on_simd", "sinkhorn_on_simd")}
EXAMPLES = HERE.parents[1] / "examples"
EVERY_LOSS = {"every_loss_on_simd": (EXAMPLES / "distill/mlot_step.cpp",
                                     [f"-I{EXAMPLES}", "-DDISTILL_SIMD=1", "-include", "mlot/simd.hpp"])}
ALLOWED = 0.03
SKIPPED = 77  # as ctest is told
UPDATE = "./dev count --update"


def compile_file(compiler, file, flags):
    """(bytes of code, seconds of the processor)"""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run([compiler, *FLAGS, *flags, "-c", str(file), "-o", f"{folder}/object.o"], check=True)
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        size = subprocess.run(["size", f"{folder}/object.o"], check=True, capture_output=True, text=True).stdout
    return int(size.splitlines()[1].split()[0]), seconds


def built_with(compiler):
    """Of what the bytes depend on: g++ and xsimd.

    >>> built_with("false")
    'another compiler'
    """
    source = "#include <xsimd/xsimd.hpp>\nversion: __GNUC__ XSIMD_VERSION_MAJOR XSIMD_VERSION_MINOR defined(__clang__)"
    run = subprocess.run([compiler, "-E", "-P", "-x", "c++", *FLAGS, "-"], input=source, capture_output=True, text=True)
    found = re.search(r"^version: (\d+) (\d+) (\d+)", run.stdout, re.MULTILINE)
    if run.returncode != 0 or not found or "clang" in subprocess.run(
            [compiler, "--version"], capture_output=True, text=True).stdout:
        return "another compiler"
    return "g++ {}, xsimd {}.{}".format(*found.groups())


def differences(committed, measured):
    """One sentence for each file whose bytes are not the committed ones.

    >>> differences({"a": 1000, "b": 1000}, {"a": 1029, "b": 971})
    []
    >>> differences({"a": 1000, "b": 1000}, {"a": 1031, "b": 969})
    ['a: 1000 bytes committed, now 1031 (+3.1 %)', 'b: 1000 bytes committed, now 969 (-3.1 %)']
    >>> differences({}, {"new": 1000})
    ['new: measured, but not committed']
    """
    found = []
    for name, size in sorted(measured.items()):
        if name not in committed:
            found.append(f"{name}: measured, but not committed")
        elif abs(size - committed[name]) > ALLOWED * committed[name]:
            change = f"{size / committed[name] - 1:+.1%}".replace("%", " %") if committed[name] else "of nothing"
            found.append(f"{name}: {committed[name]} bytes committed, now {size} ({change})")
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split(":")[0])
    arguments.add_argument("compiler", nargs="?", default="g++")
    arguments.add_argument("--eigen", metavar="folder", default="/usr/include/eigen3", help="where its headers are")
    arguments.add_argument("--all", action="store_true", help="also the demo's file that calls every loss")
    arguments.add_argument("--update", action="store_true", help="write figures.json instead")
    options = arguments.parse_args()

    of = built_with(options.compiler)
    figures = json.loads(FIGURES.read_text())
    if of != figures["built_with"] and not options.update:
        print(f"code is not measured: the figures are of {figures['built_with']}, this is {of}")
        return SKIPPED
    files = FILES | (EVERY_LOSS if options.all or options.update else {})
    FLAGS.append(f"-isystem{options.eigen}")
    reference = compile_file(options.compiler, HERE / f"{REFERENCE}.cpp", [])[1]
    print(f"{'':24}    bytes  seconds  x {REFERENCE} ({reference:.1f} s)")
    measured = {}
    for name, (file, flags) in files.items():
        measured[name], seconds = compile_file(options.compiler, file, flags)
        print(f"{name:24} {measured[name]:8d} {seconds:8.2f}  {seconds / reference:.2f}", flush=True)
    if options.update:
        FIGURES.write_text(json.dumps({"built_with": of, "bytes": measured}, indent=2) + "\n")
        return 0
    found = differences(figures["bytes"], measured)
    print("\n".join(found or [f"{len(measured)} files are within {ALLOWED:.0%} of the committed bytes"]))
    if found:
        print(f"If that is meant: {UPDATE}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
