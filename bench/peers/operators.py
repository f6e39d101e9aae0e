"""A fixed mix of operators on tensors so small that the time is the way to the operator and back."""

import torch


def prepare(size):
    x = torch.randn(size)
    y = torch.randn(size)
    matrix = torch.randn(size, size)

    def step():
        with torch.no_grad():
            for _ in range(20):
                x.add(y)
                x.mul(y)
                x.relu()
                x.sum([0])
                matrix.mv(x)

    return step, {"operators": 100}
