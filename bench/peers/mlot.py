"""mlot through its C interface, mlot_c.cpp. Nothing is allocated when a Call is called."""

import ctypes
from ctypes import c_double, c_float, c_int, c_int64, c_size_t, c_void_p

import numpy

AUTOMATIC, SCALING, LOGARITHMIC = range(3)  # mlot::sinkhorn_domain

_ARGUMENTS = {
    "mlot_multi_level": [c_int64] * 4 + [c_void_p] * 7,
    "mlot_reference_code": [c_int64] * 4 + [c_void_p] * 6,
    "mlot_universal_logit": [c_int64] * 4 + [c_void_p] * 7,
    "mlot_divergence": [c_int64] * 3 + [c_int] + [c_void_p] * 7,
    "mlot_vocabulary_mass": [c_int64] * 3 + [c_void_p] * 4,
    "mlot_transport": [c_int64] * 2 + [c_void_p] * 2 + [c_float, c_int64] + [c_void_p] * 2,
    "mlot_sinkhorn_float": [c_int64, c_void_p, c_float, c_int64, c_int] + [c_void_p] * 2,
    "mlot_sinkhorn_double": [c_int64, c_void_p, c_double, c_int64, c_int] + [c_void_p] * 2,
}
_functions = {}


def load(path):
    library = ctypes.CDLL(path)
    for name, arguments in _ARGUMENTS.items():
        function = library[name]
        function.argtypes = arguments + [c_void_p, ctypes.POINTER(c_size_t)]
        function.restype = ctypes.c_char_p
        _functions[name] = function


class Call:
    """One function with its arguments; arrays are passed by address. `outputs` are its results by name."""

    def __init__(self, name, *arguments, **outputs):
        self._function = _functions[name]
        self._kept = arguments + tuple(outputs.values())
        self._arguments = [a.ctypes.data if isinstance(a, numpy.ndarray) else a for a in self._kept]
        size = c_size_t()
        self._check(self._function(*self._arguments, None, ctypes.byref(size)))
        self._scratch = numpy.empty(size.value, dtype=numpy.uint8)
        self._size = ctypes.byref(size)
        self.bytes = size.value + sum(o.nbytes for o in outputs.values())
        vars(self).update(outputs)

    def __call__(self):
        self._check(self._function(*self._arguments, self._scratch.ctypes.data, self._size))

    @staticmethod
    def _check(refusal):
        if refusal is not None:
            raise ValueError(refusal.decode())


def _token_rows(sequences, length):
    tokens = numpy.arange(sequences * length, dtype=numpy.int64)
    return numpy.arange(sequences + 1, dtype=numpy.int64) * length, tokens


def multi_level(teacher, student, labels):
    """The whole loss, forward and backward. Outputs: terms (5), gradient."""
    sequences, length, n = student.shape
    return Call(
        "mlot_multi_level", sequences, length, teacher.shape[2], n, teacher, student,
        *_token_rows(sequences, length), numpy.ascontiguousarray(labels, dtype=numpy.int64),
        terms=numpy.empty(5, dtype=numpy.float32), gradient=numpy.empty_like(student),
    )  # fmt: skip


def reference_code(teacher, student):
    """What the authors' code computes, every token an answer. Outputs: terms (5), gradient."""
    sequences, length, n = student.shape
    return Call(
        "mlot_reference_code", sequences, length, teacher.shape[2], n, teacher, student,
        *_token_rows(sequences, length),
        terms=numpy.empty(5, dtype=numpy.float32), gradient=numpy.empty_like(student),
    )  # fmt: skip


def universal_logit(teacher, student, labels):
    """ULD over all ranks beside cross-entropy, forward and backward. Outputs: terms (3), gradient."""
    sequences, length, n = student.shape
    return Call(
        "mlot_universal_logit", sequences, length, teacher.shape[2], n, teacher, student,
        *_token_rows(sequences, length), numpy.ascontiguousarray(labels, dtype=numpy.int64),
        terms=numpy.empty(3, dtype=numpy.float32), gradient=numpy.empty_like(student),
    )  # fmt: skip


def divergence(teacher, student, labels, halfway):
    """Jensen-Shannon where `halfway`, else forward KL, beside cross-entropy. Outputs: terms (3), gradient."""
    sequences, length, n = student.shape
    return Call(
        "mlot_divergence", sequences, length, n, halfway, teacher, student,
        *_token_rows(sequences, length), numpy.ascontiguousarray(labels, dtype=numpy.int64),
        terms=numpy.empty(3, dtype=numpy.float32), gradient=numpy.empty_like(student),
    )  # fmt: skip


def vocabulary_mass(logits):
    """Output: mass (B, V)."""
    sequences, length, vocabulary = logits.shape
    return Call(
        "mlot_vocabulary_mass", sequences, length, vocabulary, logits, *_token_rows(sequences, length),
        mass=numpy.empty((sequences, vocabulary), dtype=numpy.float32),
    )  # fmt: skip


def transport(teacher, student, epsilon, iterations):
    """Sinkhorn distance with its cost, forward and backward. Outputs: distance (1), gradient (T, k)."""
    return Call(
        "mlot_transport", *teacher.shape, teacher, student, epsilon, iterations,
        distance=numpy.empty(1, dtype=numpy.float32), gradient=numpy.empty_like(student),
    )  # fmt: skip


def sinkhorn(cost, epsilon, iterations, domain=AUTOMATIC):
    """The iterations alone, marginals 1, in the cost's number type. Outputs: plan, distance (1)."""
    name = {"float32": "mlot_sinkhorn_float", "float64": "mlot_sinkhorn_double"}[cost.dtype.name]
    return Call(
        name, len(cost), cost, epsilon, iterations, domain,
        plan=numpy.empty_like(cost), distance=numpy.empty(1, dtype=cost.dtype),
    )  # fmt: skip
