"""The network of bench/neighbours: an inference or a training step."""

import math

import torch


def wave(count, step, scale):
    return (torch.arange(count, dtype=torch.float64) * step + 1).sin().mul(scale).float()


def prepare(sizes, batch, lr, what):
    layers = []
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        layer = torch.nn.Linear(a, b)
        with torch.no_grad():
            layer.weight.copy_(wave(a * b, 0.37 + i, 1 / math.sqrt(a)).reshape(a, b).t())
            layer.bias.zero_()
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    x = wave(batch * sizes[0], 0.011, 1).reshape(batch, sizes[0])
    y = torch.arange(batch) % sizes[-1]
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def infer():
        with torch.inference_mode():
            return model(x).numpy()

    def train():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    if what == "infer":
        logits = torch.from_numpy(infer().copy()).flatten().double()
        return infer, {"logits": float((logits * (torch.arange(len(logits)) % 7 + 1)).sum())}
    return train, {"loss": [train() for _ in range(4)][-1]}
