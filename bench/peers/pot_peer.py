"""POT on numpy: a plan from a given cost.

POT scales columns first, so it gets the transposed cost. With a stopping threshold of 0 it runs all
iterations; its error checks at iterations 0 and 10 cannot be turned off.
"""

from functools import partial

import numpy
import ot

from . import inputs, mlot
from .case import COLUMNS, EPSILON, ITERATIONS, Case, Pair

NAME = f"POT {ot.__version__}, numpy {numpy.__version__}"


def cases(sizes, threads):
    del threads  # OpenBLAS reads the environment
    for row, solve, domain in (
        ("sinkhorn", ot.bregman.sinkhorn_knopp, mlot.AUTOMATIC),
        ("sinkhorn-log", ot.bregman.sinkhorn_log, mlot.LOGARITHMIC),
    ):
        for dtype in ("float32", "float64"):
            for length in sizes.tables:
                yield Case(row, f"POT {dtype}", f"T={length}", partial(plan, solve, domain, dtype, length))


def plan(solve, domain, dtype, length):
    cost = inputs.cost(length, COLUMNS).astype(dtype)
    ours = mlot.sinkhorn(cost, EPSILON, ITERATIONS, domain)
    transposed, ones = numpy.ascontiguousarray(cost.T), numpy.ones(length, dtype)
    peer = lambda: solve(ones, ones, transposed, EPSILON, numItermax=ITERATIONS, stopThr=0, warn=False)
    agree = lambda: inputs.relative_difference(ours.plan, peer().T)
    return Pair(peer, ours, agree, 1e-4 if dtype == "float32" else 1e-10, ours.bytes)
