"""A training step of ResNet-18 with the CIFAR stem: cross-entropy, channels-last, fused AdamW."""

import torch
from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        hidden = F.relu(self.bn1(self.conv1(x)), inplace=True)
        hidden = self.bn2(self.conv2(hidden))
        hidden += x if self.downsample is None else self.downsample(x)
        return F.relu(hidden, inplace=True)


class ResNet(nn.Module):
    """The trunk with the CIFAR stem (3x3, no pooling); returns the pooled features."""

    def __init__(self, blocks, width=64):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        layers, inputs = [], width
        for level, count in enumerate(blocks):
            outputs = width * 2**level
            for index in range(count):
                layers.append(BasicBlock(inputs, outputs, 2 if level > 0 and index == 0 else 1))
                inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.features = inputs

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.adaptive_avg_pool2d(self.layers(x), 1).flatten(1)


def prepare(batch, size, classes, precision):
    trunk = ResNet([2, 2, 2, 2])
    model = nn.Sequential(trunk, nn.Linear(trunk.features, classes)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, classes, (batch,))

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = F.cross_entropy(model(images).float(), labels)
        loss.backward()
        optimizer.step()

    return step, {"parameters": sum(parameter.numel() for parameter in model.parameters())}
