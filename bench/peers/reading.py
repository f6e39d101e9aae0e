"""A copy of a tensor's elements as an array: fresh, with the last ones kept, or into one that is there; awaited, it is made
by another thread while the event loop goes on.
"""

import asyncio
import collections
import concurrent.futures

import numpy
import torch


def prepare(elements, way, kept, awaited):
    x = torch.randn(elements)
    array = numpy.empty(elements, dtype=numpy.float32)
    last = collections.deque(maxlen=kept)
    steps = {
        "fresh": lambda: x.numpy().copy(),
        "kept": lambda: last.append(x.numpy().copy()),
        "into": lambda: numpy.copyto(array, x.numpy()),
    }
    copy = steps[way]
    if not awaited:
        return copy, {"elements": elements}
    pool = concurrent.futures.ThreadPoolExecutor(1)

    async def on_another_thread():
        await asyncio.get_running_loop().run_in_executor(pool, copy)

    return on_another_thread, {"elements": elements}
