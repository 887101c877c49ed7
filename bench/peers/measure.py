"""One peer in a process of its own: appends a record a case, as a line of JSON, to the file `records`.

The parent sets thread counts and the allocator in the environment, so they hold from the first import.
"""

import importlib
import json
import os
import sys

from . import mlot, timing
from .case import FULL, SHORT


def measure(settings):
    threads = settings["threads"]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # for thread pools that count processors
    mlot.load(settings["library"])
    common = {"malloc": settings["malloc"], "threads": threads}
    with open(settings["records"], "w", buffering=1) as records:

        def record(**fields):
            print(json.dumps(common | fields), file=records)

        try:
            peer = importlib.import_module(f"peers.{settings['peer']}_peer")
        except ImportError as missing:
            return record(row="-", peer=settings["peer"], size="-", outcome=f"absent: {missing}")
        common["version"] = peer.NAME
        for case in peer.cases(SHORT if settings["short"] else FULL, threads):
            if case.row not in settings["rows"]:
                continue
            print(f"peers: {case.row}, {case.size}, {case.peer}, {settings['malloc']}", file=sys.stderr)
            try:
                fields = timing.compare(case.prepare(), *((3, 0) if settings["short"] else (5, 3)))
            except Exception as error:  # of any library: the others go on
                fields = {"outcome": f"failed: {type(error).__name__}: {error}"}
            record(row=case.row, peer=case.peer, size=case.size, **fields)


if __name__ == "__main__":
    measure(json.loads(sys.argv[1]))
