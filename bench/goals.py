#!/usr/bin/env python3
"""Prints what the benchmarks measured and holds it against the project's goals on CPUs.

Reads <folder>/<build>/<program>.json as ./dev bench writes them, and, where they are, what
./bench/peers/run and `streaming --longest 65536` have written. A goal that is missed is a finding; a
result that was wrong is an error, and the exit code 1.
"""

import argparse
import json
import operator
import sys
from dataclasses import dataclass, field
from pathlib import Path

MILLISECONDS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
LOSSES = ((1, 64, 32000, 50272), (1, 256, 32000, 50272), (2, 128, 32000, 50272), (1, 128, 128256, 151936))
MIDDLE_LOSS, LARGEST_LOSS = LOSSES[1], LOSSES[3]
INSTRUCTIONS = (("avx2", 1.6), ("sse2", 5))  # slowest against AVX-512

# (row, peer, size, least peer time / mlot time: plain malloc, with huge pages) of bench/peers.
PEERS = [
    *(("authors-code", "torch", size, *least) for size, least in ((MIDDLE_LOSS, (40, 28)), (LARGEST_LOSS, (80, 40)))),
    *(("cross-entropy", "torch", size, 1 / 0.3, 1 / 0.5) for size in (MIDDLE_LOSS, LARGEST_LOSS)),
    *(("universal-logit", "torch", size, 5, 5) for size in (MIDDLE_LOSS, LARGEST_LOSS)),
    ("sinkhorn-gradient", "torch", (1024,), 12, 12),
    ("sinkhorn-gradient", "torch", (2048,), 30, 28),
    ("sinkhorn-gradient", "torch", (4096,), 60, 25),
    *(("sinkhorn", "POT float32", (length,), 4, 4) for length in (256, 1024, 2048, 4096)),
    *(("sinkhorn-log", "POT float32", (length,), 20, 20) for length in (256, 1024, 2048, 4096)),
]


@dataclass
class Build:
    """The numbers of one build: medians where a benchmark was repeated."""

    context: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)
    wrong: dict = field(default_factory=dict)

    def get(self, name, counter="ms"):
        result = self.results.get(name)
        if result is None:
            return None
        return result["real_time"] * MILLISECONDS[result["time_unit"]] if counter == "ms" else result.get(counter)


def read(folder):
    build = Build()
    for path in sorted(folder.glob("*.json")):
        if path.stat().st_size == 0:  # the short set has nothing of this program
            continue
        written = json.loads(path.read_text())
        build.context = written["context"]
        for run in written["benchmarks"]:
            name = run["run_name"].removesuffix("/real_time")
            if run.get("error_occurred"):
                build.wrong[name] = run["error_message"]
            elif run.get("aggregate_name", "median") == "median":
                build.results[name] = run
    return build


def ratio(numerator, denominator):
    return None if numerator is None or denominator is None else numerator / denominator


def size_of(numbers):
    return " ".join(f"{name}={n}" for name, n in zip("BTmn" if len(numbers) > 1 else "T", numbers))


def loss(numbers):
    return "multi_level<float>/" + size_of(numbers).replace("=", ":").replace(" ", "/")


def own_goals(builds):
    """(what, measured or None, sign, goal, why it was not measured)"""
    native = builds.get("native", Build())
    for size in LOSSES:
        what = f"whole loss / memory floor, {size_of(size)}"
        yield what, native.get(loss(size), "floor_ratio"), "<=", 1.5, ""
    for size in LOSSES:
        memory = native.get(loss(size), "mass_vectors")
        yield f"mass vectors a sequence, {size_of(size)}", memory, "<=", 2, ""
    growth = native.get(loss(MIDDLE_LOSS), "token_id_elements")
    yield "elements kept for each token and id", growth, "<=", 0.01, ""  # 1: an array like the logits
    threads = [native.get(f"ragged_transport<float>/threads:{n}") for n in (1, 2)]
    yield "ragged batch of 64, T = 32..512: 2 threads over 1", ratio(*threads), ">=", 1.9, ""
    for rule in ("greedy", "exact"):
        matched = loss(MIDDLE_LOSS).replace("multi_level<float>", f"matched<column_matching::{rule}>")
        slower = ratio(native.get(matched), native.get(loss(MIDDLE_LOSS)))
        yield f"whole loss, {rule} matching / rank, {size_of(MIDDLE_LOSS)}", slower, "<=", 2, ""
    for name, most in INSTRUCTIONS:
        slower, why = None, "not built: ./dev bench --full"
        if not native.context.get("instructions", "").startswith("avx512"):
            why = "the native build has no AVX-512"
        elif name in builds:
            slower, why = ratio(builds[name].get(loss(MIDDLE_LOSS)), native.get(loss(MIDDLE_LOSS))), ""
        yield f"{name.upper()} build / AVX-512, {size_of(MIDDLE_LOSS)}", slower, "<=", most, why


def peer_goals(path):
    records = json.loads(path.read_text()) if path.exists() else []
    timed = {(r["row"], r["peer"], r["size"], r["malloc"]): r["ratio"] for r in records if r["outcome"] == "timed"}
    for row, peer, size, plain, fair in PEERS:
        for malloc, least in (("plain", plain), ("fair", fair)):
            if malloc == "fair" and peer != "torch":  # the comparison repeats only torch
                continue
            faster = timed.get((row, peer, size_of(size), malloc))
            yield f"{row} vs {peer}, {malloc}, {size_of(size)}", faster, ">=", least, "./bench/peers/run"


def streaming_goals(path):
    """T = 65536 without a cost matrix, from the file of `streaming --longest 65536 --json`."""
    points = json.loads(path.read_text())["points"] if path.exists() else []
    longest = next((p["streamed"] for p in points if p["tokens"] == 65536), None)
    why = "build/native/bench/streaming/streaming --longest 65536 --json build/pictures/streaming.json"
    yield "streaming Sinkhorn, T = 65536: MB", longest and 1e-6 * longest["bytes"], "<=", 256, why


def print_results(name, build):
    facts = ("processor", "threads", "compiler", "flags", "instructions", "GLIBC_TUNABLES", "date")
    print(f"{name}: " + ", ".join(f"{f} {build.context[f]}" for f in facts if build.context.get(f)), end="\n\n")
    print(f"{'median of one call':<62}{'ms':>10}{'GB/s':>9}{'of copy':>9}{'items/s':>10}")
    for benchmark, result in build.results.items():
        counters = [result.get(c) for c in ("GB/s", "of_copy", "items_per_second")]
        cells = [f"{'' if c is None else format(c, '.3g'):>{w}}" for c, w in zip(counters, (9, 9, 10))]
        print(f"{benchmark:<62}{build.get(benchmark):>10.4g}" + "".join(cells))
    for benchmark, why in build.wrong.items():
        print(f"{benchmark:<62}{'ERROR: ' + why}")
    print()


def print_goals(goals):
    compare = {"<=": operator.le, ">=": operator.ge}
    print(f"{'goal':<66}{'measured':>10}{'wanted':>10}")
    for what, measured, sign, goal, why in goals:
        if measured is None:
            value, verdict = "-", "not measured" + (f": {why}" if why else "")
        else:
            value, verdict = f"{measured:.3g}", "pass" if compare[sign](measured, goal) else "falls short"
        print(f"{what:<66}{value:>10}{f'{sign} {goal:.3g}':>10}  {verdict}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what ./dev bench has written, e.g. build/bench/short")
    parser.add_argument("--peers", type=Path, default=Path("build/peers/peers.json"), help="(%(default)s)")
    parser.add_argument("--streaming", type=Path, default=Path("build/pictures/streaming.json"), help="(%(default)s)")
    given = parser.parse_args()
    builds = {folder.name: read(folder) for folder in sorted(given.folder.glob("*/"))}
    for name, build in builds.items():
        print_results(name, build)
    print_goals([*own_goals(builds), *streaming_goals(given.streaming), *peer_goals(given.peers)])
    return 1 if any(build.wrong for build in builds.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
