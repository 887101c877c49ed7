#!/usr/bin/env python3
"""Holds Sinkhorn against POT, Python Optimal Transport, in float64: after the same number of iterations and converged.

POT scales columns first, so it gets the transposed problem: its u is our v. It starts from a multiple of 1, which moves
potentials by a constant. It divides by marginals, so it is not given what has no mass: there the plan must be 0.
"""

import argparse
import sys
import warnings
from collections import defaultdict

try:
    import numpy
    import ot
except ImportError as missing:
    print(f"the oracle is missing: {missing} (Debian: python3-pot)")
    sys.exit(77)  # skipped, as ctest is told

from library import DOMAINS, VALUES, Library, Refused
from problems import problems

# What the library promises for max |C| / epsilon up to 20. Beyond, it is the exponents' rounding that counts: of
# 1 / epsilon, of its product with C, and of the sums with log u and log v.
ACCURACY = {"float32": 2e-6, "float64": 1e-12}
ROUNDINGS = 4
# POT's kernel loses digits to denormal numbers beyond this; its log domain does not.
KERNEL_STEEPNESS = 100
# What gains 13 digits in so few iterations has errors shrink to exp(-13 log(10) / FAST) = 0.74 in each, and those that
# are made on the way add up to ADDED_UP = 1 / (1 - 0.74) of them.
FAST, ADDED_UP = 100, 4


class Reference:
    """POT's plan, log u and log v of a problem, with 0 and -inf where there is no mass."""

    def __init__(self, problem, iterations, threshold=0):
        rows, columns = problem.row_marginal > 0, problem.column_marginal > 0
        a, b = problem.row_marginal[rows].astype(float), problem.column_marginal[columns].astype(float)
        a *= b.sum() / a.sum()
        cost = problem.cost[numpy.ix_(rows, columns)].astype(float)
        in_kernel = problem.steepness() <= KERNEL_STEEPNESS
        solver = ot.bregman.sinkhorn_knopp if in_kernel else ot.bregman.sinkhorn_log
        with numpy.errstate(over="ignore"):  # its log domain also answers u and v themselves
            plan, log = solver(
                b, a, cost.T, problem.epsilon, numItermax=iterations, stopThr=threshold * numpy.linalg.norm(a),
                log=True, warn=False,
            )  # fmt: skip
        u, v = (numpy.log(log["v"]), numpy.log(log["u"])) if in_kernel else (log["log_v"], log["log_u"])
        self.iterations = log["niter"] + 1
        self.plan = numpy.zeros(problem.cost.shape)
        self.plan[numpy.ix_(rows, columns)] = plan.T
        self.log_u, self.log_v = numpy.full(rows.size, -numpy.inf), numpy.full(columns.size, -numpy.inf)
        self.log_u[rows], self.log_v[columns] = u, v
        self._values(plan.T, cost, a[:, None], b[None, :], u[:, None], v[None, :], problem.epsilon)

    def _values(self, plan, cost, a, b, log_u, log_v, epsilon):
        """<P, C>, <P, C> + epsilon KL(P | a b^T) and its dual, each with the scale of its rounding."""
        log_plan = numpy.log(numpy.where(plan > 0, plan, 1))  # 0 log 0 = 0
        moved = (plan * cost, 1)
        surprise = [(plan * x, epsilon) for x in (log_plan, -numpy.log(a), -numpy.log(b))]
        potentials = [(m * x, epsilon) for m, s in ((a, log_u), (b, log_v)) for x in (s, -numpy.log(m))]
        surplus = [(a.sum() * b.sum(), epsilon), (-plan.sum(), epsilon)]
        self.distance, self.distance_scale = _sum_and_scale(moved)
        self.regularised, self.regularised_scale = _sum_and_scale(moved, *surprise, *surplus)
        self.dual, self.dual_scale = _sum_and_scale(*potentials, *surplus)


def _sum_and_scale(*terms):
    """Of arrays with factors; without their signs they add up to the scale of the sum's rounding."""
    return sum(factor * x.sum() for x, factor in terms), sum(factor * abs(x).sum() for x, factor in terms)


def errors(ours, pot, epsilon):
    """By quantity. Potentials are compared as exponents, up to the constant that the plan does not see."""
    yield "plan", numpy.linalg.norm(ours.plan - pot.plan) / numpy.linalg.norm(pot.plan)
    for name in VALUES:
        difference, scale = getattr(ours, name) - getattr(pot, name), getattr(pot, name + "_scale")
        yield name, abs(difference) / scale if difference else 0.0
    rows, columns = pot.log_u > -numpy.inf, pot.log_v > -numpy.inf
    u, v = ours.row_potential.astype(float) / epsilon, ours.column_potential.astype(float) / epsilon
    if not (numpy.all(u[~rows] == -numpy.inf) and numpy.all(v[~columns] == -numpy.inf)):
        yield "potentials", numpy.inf
    else:
        u, v = u[rows] - pot.log_u[rows], v[columns] - pot.log_v[columns]
        yield "potentials", max(numpy.ptp(u), numpy.ptp(v), abs(u[0] + v[0]))


class Verdict:
    """The errors in units of what is allowed."""

    def __init__(self):
        self.worst = defaultdict(lambda: (0.0, 0.0, "none"))
        self.wrong, self.compared = [], 0

    def add(self, quantity, dtype, error, allowed, what):
        self.compared += 1
        if not error <= self.worst[quantity, dtype][0] * allowed:
            self.worst[quantity, dtype] = error / allowed, error, what
        if not error <= allowed:
            self.wrong.append(f"{what}: {quantity} is off by {error:.2g}, {allowed:.2g} is allowed")

    def print(self, count):
        print(f"{count} problems, {self.compared} numbers and arrays compared; worst:")
        for (quantity, dtype), (share, error, what) in sorted(self.worst.items()):
            print(f"  {quantity:>11} {dtype}: {error:.1e}, {share:.2f} of what is allowed ({what})")
        for sentence in self.wrong[:20]:
            print(sentence)
        if len(self.wrong) > 20:
            print(f"and {len(self.wrong) - 20} more")


def compare(library, problem, perturb, verdict):
    # Where blocks of the plan hardly exchange mass, each block has such a constant, and every half step's rounding
    # moves it.
    iterations = problem.iterations
    references = [(Reference(problem, iterations), f"{iterations} iterations", iterations, 1, 2 * iterations)]
    if problem.steepness() <= KERNEL_STEEPNESS:
        if Reference(problem, FAST, threshold=1e-13).iterations < FAST:
            references.append((Reference(problem, 2 * FAST), "converged", 2 * FAST, ADDED_UP, ADDED_UP))
    for form in library.forms():
        device, dtype = form
        allowed = max(ACCURACY[dtype], ROUNDINGS * numpy.finfo(dtype).eps / 2 * problem.steepness())
        for domain in DOMAINS:
            for reference, when, iterations, factor, factor_of_potentials in references:
                what = f"{device}, {domain}, {problem.name}, {when}"
                try:
                    ours = library.solve(
                        form, problem.cost_as(dtype), problem.row_marginal, problem.column_marginal, problem.epsilon,
                        iterations, domain=domain,
                    )  # fmt: skip
                except Refused as refusal:
                    if domain not in ("scaling", "absorbed") or not str(refusal).startswith("sinkhorn.domain"):
                        verdict.wrong.append(f"{what}: {refusal}")
                    continue
                if perturb:
                    perturb(ours)
                for quantity, error in errors(ours, reference, problem.epsilon):
                    times = factor_of_potentials if quantity == "potentials" else factor
                    verdict.add(quantity, dtype, error, times * allowed, what)


def distort(ours):
    """One number, by a thousandth of the largest."""
    ours.plan[-1, -1] += ours.plan.max() / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", help="the shared library of sinkhorn_c.cpp")
    parser.add_argument("--perturb", action="store_true", help="distort the results of one problem: this must fail")
    given = parser.parse_args()
    library, verdict = Library(given.library), Verdict()
    warnings.simplefilter("error")  # POT warns where its numbers end
    chosen = list(problems())[5:6] if given.perturb else list(problems())
    for problem in chosen:
        compare(library, problem, distort if given.perturb else None, verdict)
    verdict.print(len(chosen))
    return 1 if verdict.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
