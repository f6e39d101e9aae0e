"""A training step of an LSTM that classifies sequences by its last output: fused AdamW."""

import torch
from torch import nn
from torch.nn import functional as F


class Classifier(nn.Module):
    def __init__(self, inputs, hidden, layers, classes):
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, num_layers=layers, batch_first=True)
        self.out = nn.Linear(hidden, classes)

    def forward(self, x):
        outputs, _ = self.lstm(x)
        return self.out(outputs[:, -1])


def prepare(batch, length, inputs, hidden, layers, classes):
    model = Classifier(inputs, hidden, layers, classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    x = torch.randn(batch, length, inputs)
    labels = torch.randint(0, classes, (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return step, {"parameters": sum(parameter.numel() for parameter in model.parameters())}
