"""A training step of SupCon with negatives-only columns: augmentation, ResNet-10, projection, loss, fused AdamW."""

import torch
from torch import nn
from torch.nn import functional as F

from augment import augment as augment_batch
from resnet18 import ResNet


def sup_con(features, labels, negatives, temperature=0.1):
    """Khosla et al. 2020, eq. 2; the negatives are further columns of the denominator. Rows come view by view."""
    similar = features @ features.T / temperature
    itself = torch.eye(len(features), dtype=torch.bool)
    similar = similar.masked_fill(itself, -1e30)
    positive = (labels[:, None] == labels[None]) & ~itself
    columns = features @ negatives.T / temperature
    denominator = torch.cat([similar, columns], dim=1).logsumexp(dim=1)
    return (denominator - (similar * positive).sum(dim=1) / positive.sum(dim=1)).mean()


def prepare(photos, classes, batch, views, negatives, size, width, projection, augment, precision):
    trunk = ResNet([1, 1, 1, 1], width)
    head = nn.Sequential(nn.Linear(trunk.features, trunk.features), nn.ReLU(), nn.Linear(trunk.features, projection))
    model = nn.Sequential(trunk, head).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4, fused=True)
    images = torch.randint(0, 256, (photos, 3, size, size), dtype=torch.uint8)
    labels = torch.arange(photos) % classes

    def step():
        chosen = torch.randperm(photos)[:batch]
        others = torch.randperm(photos)[:negatives]
        with torch.no_grad():
            pixels = augment_batch(images[torch.cat([chosen.repeat(views), others])], augment)
        normalised = ((pixels - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            outputs = model(normalised)
        rows = F.normalize(outputs.float(), dim=1)
        loss = sup_con(rows[: views * batch], labels[chosen].repeat(views), rows[views * batch :])
        loss.item()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step, {"rows": views * batch + negatives}
