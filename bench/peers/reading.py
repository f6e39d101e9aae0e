"""A copy of a tensor's elements as an array: fresh, with the last ones kept, or into one that is there."""

import collections

import numpy
import torch


def prepare(elements, way, kept):
    x = torch.randn(elements)
    array = numpy.empty(elements, dtype=numpy.float32)
    last = collections.deque(maxlen=kept)
    steps = {
        "fresh": lambda: x.numpy().copy(),
        "kept": lambda: last.append(x.numpy().copy()),
        "into": lambda: numpy.copyto(array, x.numpy()),
    }
    return steps[way], {"elements": elements}
