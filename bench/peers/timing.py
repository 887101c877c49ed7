"""How one pair is checked, timed and weighed."""

import ctypes
import gc
import time
from pathlib import Path
from statistics import median

TURN = 0.05  # seconds: longer than the idle threads of the other go on spinning


def turn(action):
    """Milliseconds of the last call in a turn: by then threads and caches are its own."""
    end = time.perf_counter() + TURN
    while True:
        start = time.perf_counter()
        action()
        stop = time.perf_counter()
        if stop >= end:
            return 1e3 * (stop - start)


def interleaved(pair, least_turns, seconds):
    """Times of both, turn by turn, for `seconds` and at least so many turns each."""
    peer, mlot = [], []
    end = time.perf_counter() + seconds
    gc.disable()
    while len(peer) < least_turns or time.perf_counter() < end:
        peer.append(turn(pair.peer))
        mlot.append(turn(pair.mlot))
    gc.enable()
    return peer, mlot


def extra_memory(action):
    """MiB by which the process grows at its peak during one call; None where Linux does not tell."""

    def resident(field):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith(field + ":"))) / 1024

    try:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # or memory freed before would hide what is taken now
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = resident("VmRSS")
        action()
        return resident("VmHWM") - before
    except (OSError, AttributeError):
        return None


def compare(pair, least_turns, seconds):
    """The fields that one pair adds to a record. What does not agree is not timed."""
    pair.peer()  # compiles, allocates, starts threads
    pair.mlot()
    difference = pair.difference()
    fields = {"agreement": difference, "tolerance": pair.tolerance}
    if not difference <= pair.tolerance:
        return fields | {"outcome": "mismatch"}
    peer, mlot = interleaved(pair, least_turns, seconds)
    return fields | {
        "outcome": "timed",
        "peer_ms": median(peer),
        "mlot_ms": median(mlot),
        "ratio": median(peer) / median(mlot),
        "turns": len(peer),
        "peer_extra_mib": extra_memory(pair.peer) if pair.frees_at_once else None,
        "mlot_extra_mib": pair.mlot_bytes / 2**20,
    }
