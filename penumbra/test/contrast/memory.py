# Writes goldens/contrast/memory-*.{json,safetensors}: SupCon (L_out and L_in) and NT-Xent with remembered projections of
# other groups as columns of the denominator, and queue-*: generalized SupCon (with and without a teacher) and H-SCL with
# them as further negatives; in plain loops over float64 with autograd, written from the formulas in losses/supcon.ts,
# genscl.ts and hscl.ts and from nothing of their code. Run: python3 penumbra/test/contrast/memory.py
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


def cosine(a, b):
    return sum(a * b) / (a.norm() * b.norm()) if a.norm() > 0 and b.norm() > 0 else torch.tensor(0.0, dtype=torch.float64)


def genscl(rows, labels, memory, memory_labels, tau):
    total = 0
    for i, anchor in enumerate(rows):
        denominator = sum(torch.exp(anchor @ row / tau) for j, row in enumerate(rows) if j != i)
        for m, y in zip(memory, memory_labels):
            denominator = denominator + (1 - cosine(labels[i], y)) * torch.exp(anchor @ m / tau)
        weights = [cosine(labels[i], labels[j]) for j in range(len(rows))]
        of_others = sum(w for j, w in enumerate(weights) if j != i) + 1e-8
        for j, row in enumerate(rows):
            if j != i:
                total = total - weights[j] / of_others * torch.log(torch.exp(anchor @ row / tau) / denominator)
    return total / len(rows)


def hscl(features, groups, memory, memory_groups, tau, beta, detach):
    rows = [features[i, v] for v in range(VIEWS) for i in range(IMAGES)]
    own = [groups[i] for _ in range(VIEWS) for i in range(IMAGES)]
    count = len(rows) - 2 + len(memory)
    total, pairs = 0, 0
    for a, anchor in enumerate(rows):
        negatives = [row for r, row in enumerate(rows) if own[r] != own[a]]
        negatives += [m for m, group in zip(memory, memory_groups) if group != own[a]]
        for p, positive in enumerate(rows):
            if p == a or own[p] != own[a]:
                continue
            pairs += 1
            near = torch.exp(anchor @ positive / tau)
            if not negatives:
                continue
            e = [torch.exp(anchor @ n / tau) for n in negatives]
            w = [(x.detach() if detach else x) ** beta for x in e]
            expected = sum(x * y for x, y in zip(w, e)) / sum(w)
            total = total - torch.log(near / (near + count * expected))
    return total / pairs


def write(name, tensors, about):
    save_file({key: value.detach().contiguous() for key, value in tensors.items()}, FOLDER / f"{name}.safetensors")
    reference = f"loops over the formula, torch {torch.__version__.split('+')[0]}, float64"
    (FOLDER / f"{name}.json").write_text(json.dumps({"reference": reference, **about, "rtol": 1e-9}, indent=1) + "\n")


for number, (tau, alpha, hard) in enumerate([(0.1, 0, False), (0.2, 0.5, False), (0.5, 2, True)]):
    generator = torch.Generator().manual_seed(100 + number)
    drawn = lambda rows: torch.rand(rows, 3, generator=generator, dtype=torch.float64)
    spread = lambda rows: drawn(rows) / drawn(rows).sum(dim=1, keepdim=True)
    rows = unit(8, D, generator=generator).requires_grad_()
    memory = unit(Q, D, generator=generator)
    labels, memory_labels = spread(8), spread(Q)
    if hard:  # one-hot
        labels = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0, 1, 2, 0, 0]]
        memory_labels = torch.eye(3, dtype=torch.float64)[[0, 0, 1, 2, 1, 2, 0, 1, 1]]
    teacher, memory_teacher = spread(8), spread(Q)
    loss = genscl(rows, labels, memory, memory_labels, tau)
    if alpha:
        loss = loss + alpha * genscl(rows, teacher, memory, memory_teacher, tau)
    loss.backward()
    write(
        f"queue-genscl-{number}",
        {
            "rows": rows, "distributions": labels, "memory": memory, "memory_distributions": memory_labels,
            "teacher": teacher, "memory_teacher": memory_teacher, "loss": loss, "grad": rows.grad,
        },
        {"temperature": tau, "teacher_weight": alpha},
    )

for number, (groups, memory_groups, tau, beta, detach) in enumerate(
    [
        ([0, 1, 2, 0, 1], [0, 0, 1, 2, 3, 1, 2, 2, 0], 0.5, 0.5, False),
        ([0, 1, 2, 0, 1], [0, 0, 1, 2, 3, 1, 2, 2, 0], 0.2, 2, True),
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 1], 0.5, 1, False),  # the batch has no negative, the memory one
    ]
):
    generator = torch.Generator().manual_seed(200 + number)
    features = unit(IMAGES, VIEWS, D, generator=generator).requires_grad_()
    memory = unit(Q, D, generator=generator)
    loss = hscl(features, groups, memory, memory_groups, tau, beta, detach)
    loss.backward()
    write(
        f"queue-hscl-{number}",
        {"features": features, "memory": memory, "loss": loss, "grad": features.grad},
        {
            "labels": groups, "memory_labels": memory_groups, "temperature": tau, "beta": beta, "detach_weights": detach,
        },
    )
