"""Starts one process a peer and way to allocate, and reports what they measured."""

import argparse
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from . import report
from .case import ROWS

PEERS = ("torch", "pot", "ott", "geomloss")
# glibc maps and unmaps every large tensor; huge pages make that fewer page faults.
MALLOC = {"plain": {}, "fair": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def arguments():
    rows = "\n".join(f"  {name:<18} {what}" for name, what in ROWS.items())
    parser = argparse.ArgumentParser(
        prog="run", description=f"Times other implementations against mlot. Rows:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help="all")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS, metavar="PEER", help=" ".join(PEERS))
    parser.add_argument("--threads", type=int, default=2, help="of every peer and of mlot (2)")
    parser.add_argument("--short", action="store_true", help="small sizes, few turns: shows that it works")
    parser.add_argument(
        "--malloc", choices=(*MALLOC, "both"), default="both",
        help="plain: glibc as it comes; fair: with GLIBC_TUNABLES=glibc.malloc.hugetlb=1; both for torch (default)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    available = len(os.sched_getaffinity(0))
    if not 1 <= given.threads <= available:
        parser.error(f"--threads: 1 to {available} here")
    return given


def ways(given):
    """(peer, malloc) of every process."""
    for peer, malloc in itertools.product(given.peers, MALLOC):
        by_default = malloc == "plain" or peer == "torch"
        if given.malloc == malloc or (given.malloc == "both" and by_default):
            yield peer, malloc


def measured(given, peer, malloc):
    """Records of one process; one more where it died."""
    records = given.out / f"{peer}-{malloc}.jsonl"
    records.unlink(missing_ok=True)
    settings = {
        "peer": peer,
        "malloc": malloc,
        "rows": given.rows,
        "threads": given.threads,
        "short": given.short,
        "library": str(given.out / "library" / "libmlot_peers.so"),
        "records": str(records),
    }
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(given.threads)) | MALLOC[malloc]
    command = [sys.executable, "-m", "peers.measure", json.dumps(settings)]
    code = subprocess.run(command, env=environment).returncode
    found = [json.loads(line) for line in records.read_text().splitlines()] if records.exists() else []
    if code != 0:
        died = {"row": "-", "peer": peer, "size": "-", "malloc": malloc, "threads": given.threads}
        found.append(died | {"outcome": f"failed: the process ended with {code}"})
    return found


def main():
    given = arguments()
    records = [r for peer, malloc in ways(given) for r in measured(given, peer, malloc)]
    order = ["-", *ROWS]
    records.sort(key=lambda r: order.index(r["row"]))  # stable: sizes and peers keep their order
    report.write_json(records, given.out / "peers.json")
    print(report.heading(records), report.table(records), sep="\n\n")
    try:
        report.plot(records, given.out / "peers.svg")
    except ImportError as missing:
        print(f"peers: no picture: {missing}", file=sys.stderr)
    return 0 if all(r["outcome"] == "timed" or r["outcome"].startswith("absent") for r in records) else 1


if __name__ == "__main__":
    sys.exit(main())
