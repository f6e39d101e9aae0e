"""A fixed mix of operators on tensors so small that the time is the way to the operator and back."""

import torch


def prepare(size, repeats):
    x = torch.randn(size)
    y = torch.randn(size)
    matrix = torch.randn(size, size)

    def step():
        with torch.no_grad():
            for _ in range(repeats):
                x.add(y)
                x.mul(y)
                x.relu()
                x.sum([0])
                matrix.mv(x)

    return step, {"operators": 5 * repeats}
