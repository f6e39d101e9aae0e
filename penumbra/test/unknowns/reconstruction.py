"""Writes goldens/ood/reconstruction-*: scikit-learn's PCA as a linear autoencoder of images.

python3 reconstruction.py    # scikit-learn, torch (average pooling)
"""
import json
from pathlib import Path

import numpy as np
import sklearn
import torch
from safetensors.torch import save_file
from sklearn.decomposition import PCA

folder = Path(__file__).parent.parent / "goldens" / "ood"
for name, images, side, share in (("few", 20, 8, 0.9), ("many", 220, 8, 0.7), ("large", 12, 40, 0.9)):
    generator = torch.Generator().manual_seed(images)
    mixture = torch.randn(6, 3, side, side, generator=generator)
    draw = lambda count: (0.5 + 0.1 * torch.einsum("nk,kcij->ncij", torch.randn(count, 6, generator=generator), mixture)  # noqa: E731
                          + 0.05 * torch.randn(count, 3, side, side, generator=generator)).clamp(0, 1)
    train, test = draw(images), torch.cat([draw(4), torch.rand(4, 3, side, side, generator=generator)])
    flat = lambda x: torch.nn.functional.adaptive_avg_pool2d(x, 32 if side > 32 else side).double().flatten(1).numpy()  # noqa: E731
    pca = PCA(n_components=share, svd_solver="full").fit(flat(train))
    rows = flat(test)
    errors = np.mean((rows - pca.inverse_transform(pca.transform(rows))) ** 2, axis=1)
    save_file({"train": train.contiguous(), "test": test.contiguous(), "scores": torch.from_numpy(-errors)},
              folder / f"reconstruction-{name}.safetensors")
    (folder / f"reconstruction-{name}.json").write_text(json.dumps({
        "reference": f"scikit-learn {sklearn.__version__} PCA(n_components={share}): -mean squared error of the reconstruction; larger images averaged to 32 x 32",
        "share": share, "components": int(pca.n_components_), "rtol": 1e-6}, indent=1) + "\n")
    print(name, pca.n_components_)
