"""Elements leave a tensor in every way that Python has, once in each step; a file is written in every 1,000th."""

import os
import tempfile

import torch


def prepare(size, batch, inputs, outputs):
    path = os.path.join(tempfile.mkdtemp(), "tensor.pt")
    torch.save(torch.zeros(size), path)
    linear = torch.nn.Linear(inputs, outputs)
    batch_of_inputs = torch.randn(batch, inputs)
    generator = torch.Generator().manual_seed(0)
    turns = 0

    def step():
        nonlocal turns
        turns += 1
        torch.zeros(size).numpy().copy()
        torch.zeros(size).to(torch.float64).tolist()
        torch.zeros(size).reshape(16, -1).tolist()
        torch.zeros(size).numpy()
        torch.zeros(size).sum().item()
        str(torch.zeros(size)[:8])
        linear(batch_of_inputs).detach().numpy().copy()
        generator.get_state().numpy().copy()
        torch.zeros(size).share_memory_()
        torch.load(path)
        if turns % 1000 == 0:
            torch.save(torch.zeros(size), path)

    return step, {}
