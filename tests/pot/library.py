"""Sinkhorn through sinkhorn_c.cpp: one problem at a time, on each device and in each number type."""

import ctypes
from ctypes import c_double, c_int64, c_void_p
from types import SimpleNamespace

import numpy

DOMAINS = ("automatic", "scaling", "absorbed", "logarithmic")  # mlot::sinkhorn_domain, in its order
VALUES = ("distance", "regularised", "dual")
FACTS = ("logarithmic", "iterations", "converged")


class _Problem(ctypes.Structure):
    """c_problem of sinkhorn_c.cpp."""

    _fields_ = [
        *((name, c_int64) for name in ("rows", "columns", "row_stride", "column_stride", "iterations", "domain")),
        *((name, c_double) for name in ("epsilon", "tolerance")),
        *((name, c_void_p) for name in ("cost", "row_marginal", "column_marginal")),
        *((name, c_void_p) for name in ("plan", "row_potential", "column_potential", "values", "facts")),
    ]


class Refused(Exception):
    """The sentence in which the library says which argument is at fault."""


class Library:
    def __init__(self, path):
        self._functions = {}
        library = ctypes.CDLL(path)
        for device in ("scalar", "simd"):
            for dtype in ("float32", "float64"):
                if function := getattr(library, f"sinkhorn_{device}_{dtype}", None):
                    function.argtypes = [ctypes.POINTER(_Problem)]
                    function.restype = ctypes.c_char_p
                    self._functions[device, dtype] = function

    def forms(self):
        """Every (device, number type) that was built."""
        return list(self._functions)

    def solve(self, form, cost, row_marginal, column_marginal, epsilon, iterations, tolerance=0, domain="automatic"):
        """plan, potentials, and what VALUES and FACTS name. `cost` may have any strides."""
        dtype = numpy.dtype(form[1])
        rows, columns = cost.shape
        given = [cost, *(numpy.ascontiguousarray(m, dtype) for m in (row_marginal, column_marginal))]
        assert cost.dtype == dtype
        out = [numpy.full(shape, numpy.nan, dtype) for shape in ((rows, columns), rows, columns, len(VALUES))]
        facts = numpy.full(len(FACTS), -1, numpy.int64)
        problem = _Problem(
            rows, columns, *(stride // cost.itemsize for stride in cost.strides), iterations, DOMAINS.index(domain),
            epsilon, tolerance, *(array.ctypes.data for array in (*given, *out, facts)),
        )  # fmt: skip
        if refusal := self._functions[form](problem):
            raise Refused(refusal.decode())
        plan, row_potential, column_potential, values = out
        return SimpleNamespace(
            plan=plan, row_potential=row_potential, column_potential=column_potential,
            **dict(zip(VALUES, values)), **dict(zip(FACTS, facts)),
        )  # fmt: skip
