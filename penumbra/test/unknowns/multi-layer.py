"""Writes goldens/ood/mm-plus-plus-*, nearness-* and multi-layer-*: MM++, the nearness, k nearest neighbours, cosine prototypes
and Mahalanobis over several stages by numpy and scikit-learn.

python3 multi-layer.py    # numpy, scikit-learn, torch; written from the formulas, from nothing of the project's code

MM++ (arXiv 2606.17352, as its authors run it): the entropy density of a layer is H/D with H the entropy of the eigenvalues
of the shrunk within-class covariance of features of length 1; the last layer and the count - 1 others with the largest
fall from the layer before are joined, those where nothing falls left out.
"""
import json
from pathlib import Path

import numpy as np
import sklearn
import torch
from safetensors.torch import save_file
from sklearn.covariance import LedoitWolf
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

folder = Path(__file__).parent.parent / "goldens" / "ood"


def centred(rows, labels):
    means = np.stack([rows[labels == c].mean(axis=0) for c in range(labels.max() + 1)])
    return means, rows - means[labels]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def squared(rows, fitted):
    means, precision = fitted
    steps = rows[:, None] - means[None]
    return np.einsum("ncd,de,nce->nc", steps, precision, steps)


def gaussians(rows, labels):
    means, rest = centred(rows, labels)
    return means, LedoitWolf(assume_centered=True).fit(rest).precision_


def density(rows, labels):
    values = np.linalg.eigvalsh(LedoitWolf(assume_centered=True).fit(centred(unit(rows), labels)[1]).covariance_)
    values = values.clip(min=1e-8)
    shares = values / values.sum()
    return -(shares * np.log(shares)).sum() / rows.shape[1]


def write(name, tensors, about):
    save_file({key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in tensors.items()},
              folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(
        {"reference": f"numpy {np.__version__}, scikit-learn {sklearn.__version__} LedoitWolf", **about, "rtol": 1e-6},
        indent=1) + "\n")


def stages_of(random, sizes, labels, spread):
    """Features around class centres that lie in fewer directions the smaller `spread` is."""
    stages = []
    for size, narrow in zip(sizes, spread):
        scales = np.exp(-np.arange(size) / (narrow * size))
        centres = random.normal(size=(labels.max() + 1, size))
        stages.append(np.abs(centres[labels] + random.normal(size=(len(labels), size)) * scales))
    return stages


for number, (sizes, spread, count) in enumerate([
    ((8, 16, 16, 24, 12), (2.0, 2.0, 0.1, 0.5, 0.3), 2),
    ((8, 16, 16, 24, 12), (2.0, 0.2, 2.0, 0.1, 0.3), 3),
    ((8, 8, 8), (0.1, 0.5, 2.0), 2),  # nothing falls: the last stage alone
]):
    random = np.random.default_rng(number)
    labels = np.arange(15) % 3
    every = stages_of(random, sizes, np.concatenate([labels, np.arange(6) % 3]), spread)
    train, test = [stage[:15] for stage in every], [stage[15:] for stage in every]
    densities = [density(stage, labels) for stage in train]
    falls = {place: densities[place - 1] - densities[place] for place in range(1, len(sizes) - 1)}
    others = sorted((place for place, fall in falls.items() if fall > 0), key=lambda place: -falls[place])[: count - 1]
    chosen = sorted([*others, len(sizes) - 1])
    join = lambda stages: np.concatenate([unit(stages[place]) for place in chosen], axis=1)  # noqa: E731
    scores = -squared(join(test), gaussians(join(train), labels)).min(axis=1)
    write(f"mm-plus-plus-{number}",
          {**{f"train{i}": stage for i, stage in enumerate(train)}, **{f"test{i}": stage for i, stage in enumerate(test)},
           "scores": scores},
          {"labels": labels.tolist(), "count": count, "chosen": chosen, "densities": densities})
    print(number, chosen, densities)


def distances(measure, seen, labels, rows):
    if measure == "photo":
        apart = np.linalg.norm(rows[:, None] - seen[None], axis=2)
        return np.stack([apart[:, labels == c].min(axis=1) for c in range(labels.max() + 1)], axis=1)
    return np.sqrt(squared(rows, gaussians(seen, labels)))


for number, (objects, views, known) in enumerate([(4, 2, 0.9), (3, 3, 0.5), (1, 4, 1.0)]):
    random = np.random.default_rng(100 + number)
    labels = np.repeat(np.arange(3), objects * views)
    names = [f"object {c}-{o}" for c in range(3) for o in range(objects) for _ in range(views)]
    train = stages_of(random, (6, 10), labels, (1.0, 0.5))
    test = stages_of(random, (6, 10), np.arange(9) % 3, (1.0, 0.5))
    fold = np.empty(len(labels), dtype=int)
    for c in range(3):
        if objects > 1:
            own = sorted({name for name, label in zip(names, labels) if label == c})
            for i in np.flatnonzero(labels == c):
                fold[i] = own.index(names[i]) % min(3, len(own))
        else:  # photos one by one, in the order of their places
            own = np.flatnonzero(labels == c)
            fold[own] = np.arange(len(own)) % min(3, len(own))
    units, held, outer = [], [], []
    for stage in range(2):
        for measure in ("photo", "gaussian"):
            usual = np.empty(len(labels))
            for f in range(3):
                apart = distances(measure, train[stage][fold != f], labels[fold != f], train[stage][fold == f])
                usual[fold == f] = apart[np.arange(len(apart)), labels[fold == f]]
            units.append(np.quantile(usual, known))
            held.append(usual)
            outer.append(distances(measure, train[stage], labels, test[stage]))
    whole = np.quantile(np.mean([h / u for h, u in zip(held, units)], axis=0), known)
    scores = -np.mean([o / u for o, u in zip(outer, units)], axis=0).min(axis=1) / whole
    write(f"nearness-{number}",
          {**{f"train{i}": stage for i, stage in enumerate(train)}, **{f"test{i}": stage for i, stage in enumerate(test)},
           "scores": scores},
          {"labels": labels.tolist(), "objects": names, "known": known})
    print(number, scores)


for number, (sizes, last, k) in enumerate([((6, 10, 8), 3, 1), ((6, 10, 8), 2, 4), ((12,), 1, 2)]):
    random = np.random.default_rng(200 + number)
    labels = np.arange(15) % 3
    every = stages_of(random, sizes, np.concatenate([labels, np.arange(6) % 3]), [1.0] * len(sizes))
    train, test = [stage[:15] for stage in every], [stage[15:] for stage in every]
    counted = range(len(sizes) - last, len(sizes))
    join = lambda stages: np.concatenate([unit(stages[place]) for place in counted], axis=1)  # noqa: E731
    near = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(join(train)).kneighbors(join(test))[0][:, k - 1]
    prototypes = {place: centred(unit(train[place]), labels)[0] for place in counted}
    cosines = np.mean([cosine_similarity(test[place], prototypes[place]) for place in counted], axis=0)
    layers = [squared(test[place], gaussians(train[place], labels)).min(axis=1) for place in counted]
    write(f"multi-layer-{number}",
          {**{f"train{i}": stage for i, stage in enumerate(train)}, **{f"test{i}": stage for i, stage in enumerate(test)},
           "score_knn": -near, "score_cosine": cosines.max(axis=1), "score_per_layer": -np.sum(layers, axis=0),
           "score_joint": -squared(join(test), gaussians(join(train), labels)).min(axis=1)},
          {"labels": labels.tolist(), "last": last, "k": k})
    print(number, near, cosines.max(axis=1))
