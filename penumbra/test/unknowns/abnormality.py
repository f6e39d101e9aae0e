"""Writes goldens/ood/abnormality: decoder and module of detectors/abnormality.ts by scikit-learn, left-out drawings by refits.

python3 abnormality.py    # scikit-learn, torch 2.13.0 (the same random numbers)
"""
import json
from pathlib import Path

import numpy as np
import sklearn
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression, Ridge

folder = Path(__file__).parent.parent / "goldens" / "ood"
noise, classes, side, width = 0.4, 3, 12, 7
generator = torch.Generator().manual_seed(11)
patterns = torch.rand(classes, 3, side, side, generator=generator)
draw = lambda labels: (patterns[labels] + 0.1 * torch.randn(len(labels), 3, side, side, generator=generator)).clamp(0, 1)  # noqa: E731
train = draw([i % classes for i in range(18)])
test = torch.cat([draw([0, 1, 2, 0]), torch.rand(4, 3, side, side, generator=generator)])
first = torch.randn(3 * side * side, width, generator=generator) / 12
weight, bias = torch.randn(classes, width, generator=generator), torch.randn(classes, generator=generator)


def content_hash(image):
    value = 0x811C9DC5
    for byte in (image * 255).round().to(torch.uint8).flatten().tolist():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def with_noise(image):
    own = torch.Generator().manual_seed(content_hash(image))
    return (image + noise * torch.randn(1, 3, side, side, generator=own)).clamp(0, 1)


features_of = lambda x: (x.flatten(1) @ first).relu().double().numpy()  # noqa: E731
flat = lambda x: x.double().flatten(1).numpy()  # noqa: E731
logits_of = lambda h: h @ weight.double().numpy().T + bias.double().numpy()  # noqa: E731
blur = lambda x: torch.nn.functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)  # noqa: E731

h, x = features_of(train), flat(train)
centred = h - h.mean(0)
alpha = 0.1 * np.mean(np.sum(centred**2, axis=1))
decoder = Ridge(alpha=alpha, solver="cholesky").fit(h, x)
inputs = lambda h, difference: np.concatenate([difference**2, h, logits_of(h)], axis=1)  # noqa: E731
left_out = []
for i in range(len(h)):
    keep = np.arange(len(h)) != i
    # Without image i the features' mean moves too; the ridge stays as it was.
    left_out.append(x[i] - Ridge(alpha=alpha, solver="cholesky").fit(h[keep], x[keep]).predict(h[i : i + 1])[0])
rows = [inputs(h, np.stack(left_out))]
for images in (torch.cat([with_noise(image[None]) for image in train]), blur(train)):
    own = features_of(images)
    rows.append(inputs(own, flat(images) - decoder.predict(own)))
rows = np.concatenate(rows)
mean, deviation = rows.mean(0), rows.std(0)
scale = np.where(deviation > 1e-9, deviation, 1)
labels = np.arange(len(rows)) < len(h)
weights = np.where(labels, 0.5 / len(h), 0.5 / (2 * len(h)))
module = LogisticRegression(C=1 / 0.1, tol=1e-12, max_iter=100000).fit((rows - mean) / scale, labels, sample_weight=weights)
own = features_of(test)
scores = module.decision_function((inputs(own, flat(test) - decoder.predict(own)) - mean) / scale)
save_file({"train": train.contiguous(), "test": test.contiguous(), "first": first, "weight": weight, "bias": bias,
           "scores": torch.from_numpy(scores)}, folder / "abnormality.safetensors")
(folder / "abnormality.json").write_text(json.dumps({
    "reference": f"scikit-learn {sklearn.__version__} Ridge (refitted without each image) and LogisticRegression; distortions by torch {torch.__version__.split('+')[0]}",
    "noise": noise, "rtol": 1e-4}, indent=1) + "\n")
print(scores)
