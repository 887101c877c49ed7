#!/usr/bin/env python3
"""Makes assignment_scipy.npz: random linear assignment problems, solved by SciPy (Debian: python3-scipy)."""

import sys

import numpy
from scipy.optimize import linear_sum_assignment

SHAPES = [(1, 1), (1, 7), (2, 2), (3, 5), (7, 7), (8, 30), (12, 40), (20, 20), (20, 60), (33, 33), (50, 64)]
COSTS = {
    "uniform": lambda random, shape: random.uniform(0, 1, shape),
    "signed": lambda random, shape: random.standard_normal(shape),
    "few whole numbers, so that many are equal": lambda random, shape: random.integers(0, 4, shape),
    "rows that compete for the same columns": lambda random, shape: random.uniform(0, 0.1, shape) + numpy.arange(shape[1]),
    "products, whose only order is that of both factors": lambda random, shape: numpy.outer(
        1 + numpy.arange(shape[0]), 1 + numpy.arange(shape[1])
    ),
}


def main():
    random = numpy.random.default_rng(1)
    shapes, costs, columns, least = [], [], [], []
    for shape in SHAPES:
        for make in COSTS.values():
            cost = make(random, shape).astype(numpy.float32).astype(float)  # fewer digits to keep
            rows, chosen = linear_sum_assignment(cost)
            shapes.append(shape)
            costs.append(cost.astype(numpy.float32).ravel())
            columns.append(chosen)
            least.append(cost[rows, chosen].sum())
    numpy.savez_compressed(
        sys.argv[1], shape=numpy.array(shapes), cost=numpy.concatenate(costs), column=numpy.concatenate(columns),
        least=numpy.array(least),
    )  # fmt: skip


if __name__ == "__main__":
    main()
