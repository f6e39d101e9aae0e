# Writes goldens/contrast/memory-*.{json,safetensors}: SupCon (L_out and L_in) and NT-Xent with remembered projections of
# other groups as columns of the denominator, in plain loops over float64 with autograd, written from the formula in
# losses/supcon.ts and from nothing of its code. Run: python3 penumbra/test/contrast/memory.py
import json
import math
import pathlib

import torch
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent.parent / "goldens" / "contrast"
IMAGES, VIEWS, D, Q, K = 5, 2, 6, 9, 3


def unit(*shape, generator):
    rows = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return rows / rows.norm(dim=-1, keepdim=True)


def loss_of(features, groups, memory, memory_groups, negatives, lam, tau, form):
    """features [B, V, D]; anchors view 0 of all images, then view 1."""
    rows = [features[i, v] for v in range(VIEWS) for i in range(IMAGES)]
    own = [groups[i] for _ in range(VIEWS) for i in range(IMAGES)]
    total = 0
    for a, anchor in enumerate(rows):
        denominator = sum(torch.exp(anchor @ row / tau) for r, row in enumerate(rows) if r != a)
        denominator = denominator + sum(lam * torch.exp(anchor @ u / tau) for u in negatives)
        for q in range(len(memory)):
            if memory_groups[q] != own[a]:
                denominator = denominator + torch.exp(anchor @ memory[q].detach() / tau)
        positives = [row for r, row in enumerate(rows) if r != a and own[r] == own[a]]
        if form == "out":
            total = total - sum(anchor @ p / tau - torch.log(denominator) for p in positives) / len(positives)
        else:
            mean = sum(torch.exp(anchor @ p / tau) for p in positives) / len(positives)
            total = total - torch.log(mean / denominator)
    return total / len(rows)


for number, (groups, memory_groups, form, tau, lam) in enumerate(
    [
        ([0, 1, 2, 0, 1], [0, 0, 1, 2, 3, 1, 2, 2, 0], "out", 0.1, 2),
        ([0, 1, 2, 0, 1], [0, 0, 1, 2, 3, 1, 2, 2, 0], "in", 0.2, 1),
        ([0, 1, 2, 3, 4], [0, 5, 1, 6, 2, 7, 3, 8, 4], "out", 0.5, 0),
        ([0, 0, 0, 0, 1], [0] * 9, "out", 0.1, 1),  # one group sees no column of the memory
    ]
):
    generator = torch.Generator().manual_seed(number)
    features = unit(IMAGES, VIEWS, D, generator=generator).requires_grad_()
    memory = unit(Q, D, generator=generator)
    negatives = unit(K if lam else 0, D, generator=generator).requires_grad_()
    loss = loss_of(features, groups, memory, memory_groups, negatives, lam, tau, form)
    loss.backward()
    save_file(
        {
            "features": features.detach(),
            "memory": memory,
            "negatives": negatives.detach(),
            "loss": loss.detach(),
            "grad": features.grad,
            "grad_negatives": negatives.grad if lam else torch.zeros(0, D, dtype=torch.float64),
        },
        FOLDER / f"memory-{number}.safetensors",
    )
    about = {
        "reference": f"loops over the formula, torch {torch.__version__.split('+')[0]}, float64",
        "labels": groups,
        "memory_labels": memory_groups,
        "form": form,
        "temperature": tau,
        "lam": lam,
        "rtol": 1e-9,
    }
    (FOLDER / f"memory-{number}.json").write_text(json.dumps(about, indent=1) + "\n")
    assert math.isfinite(loss.item())
