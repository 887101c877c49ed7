"""Inputs shaped like a language model's: wide, a few likely columns, no ties."""

import numpy


def language_logits(seed, sequences, length, vocabulary):
    """(B, T, V) float32: normal, standard deviation 2, over a Zipf bias of the columns."""
    random = numpy.random.default_rng(seed)
    bias = -numpy.log(1.0 + random.permutation(vocabulary)).astype(numpy.float32)
    noise = random.standard_normal((sequences, length, vocabulary), dtype=numpy.float32)
    noise *= 2
    noise += bias
    return noise


def labels(seed, sequences, length, vocabulary):
    return numpy.random.default_rng(seed).integers(0, vocabulary, (sequences, length))


def tables(length, columns):
    """Teacher's and student's (T, k) float32: the likely columns of softmax rows, sums below 1."""

    def table(seed):
        random = numpy.random.default_rng(seed)
        logits = 2 * random.standard_normal((length, 8 * columns)) - numpy.log(1.0 + numpy.arange(8 * columns))
        p = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        return numpy.ascontiguousarray((p / p.sum(axis=1, keepdims=True))[:, :columns], dtype=numpy.float32)

    return table(1), table(2)


def cost(length, columns):
    """(T, T) float32: the L1 distances of `tables`, rows are the teacher's."""
    teacher, student = tables(length, columns)
    sums = numpy.zeros((length, length), dtype=numpy.float32)
    for column in range(columns):
        sums += numpy.abs(teacher[:, column, None] - student[None, :, column])
    return sums


def relative_difference(value, wanted):
    """Norm of the difference by the norm of `wanted`, in float64."""
    value, wanted = numpy.asarray(value, dtype=numpy.float64), numpy.asarray(wanted, dtype=numpy.float64)
    return float(numpy.linalg.norm(value - wanted) / numpy.linalg.norm(wanted))
