# Writes goldens/generators/patch-discriminator.{json,safetensors}: a patch discriminator of random weights, the hinge
# loss, the adaptive weight of VQGAN, feature matching and enlarged detail, in plain PyTorch written from Esser et al.
# 2021, Isola et al. 2017 and Wang et al. 2018.
# Run: python3 penumbra/test/generators/latent-diffusion/patch_discriminator.py
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent.parent.parent / "goldens" / "generators"
CHANNELS, LAYERS, DETAIL = 6, 2, 8.0
torch.manual_seed(3)
widths = [CHANNELS * min(8, 2**layer) for layer in range(LAYERS + 1)]
tensors = {}
for layer, (before, width) in enumerate(zip([3, *widths], [*widths, 1])):
    tensors[f"convs.{layer}.weight"] = torch.randn(width, before, 4, 4) * 0.1
    if layer in (0, LAYERS + 1):
        tensors[f"convs.{layer}.bias"] = torch.randn(width) * 0.1
for layer, width in enumerate(widths[1:]):
    tensors[f"norms.{layer}.weight"] = 1 + torch.randn(width) * 0.1
    tensors[f"norms.{layer}.bias"] = torch.randn(width) * 0.1
weights = dict(tensors)


def look(x):
    layers = []
    for layer in range(LAYERS + 2):
        bias = weights.get(f"convs.{layer}.bias")
        x = F.conv2d(x, weights[f"convs.{layer}.weight"], bias, stride=2 if layer < LAYERS else 1, padding=1)
        if 0 < layer < LAYERS + 1:  # with the batch's own statistics, as in training
            norm = f"norms.{layer - 1}"
            x = F.batch_norm(x, None, None, weights[f"{norm}.weight"], weights[f"{norm}.bias"], training=True)
        if layer < LAYERS + 1:
            x = F.leaky_relu(x, 0.2)
        layers.append(x)
    return layers


def judge(x):
    return look(x)[-1]


def local_mean(x):
    """Of the 3 x 3 pixels around that lie in the image."""
    kernel = torch.ones(3, 1, 3, 3)
    return F.conv2d(x, kernel, padding=1, groups=3) / F.conv2d(torch.ones_like(x), kernel, padding=1, groups=3)


photos = torch.rand(2, 3, 16, 16) * 2 - 1
hidden = torch.randn(2, 4, 16, 16)
last = (torch.randn(3, 4, 3, 3) * 0.2).requires_grad_()
drawn = F.conv2d(hidden, last, padding=1)
reconstruction = (drawn - photos).abs().mean()
adversarial = -judge(drawn).mean()
own = torch.autograd.grad(reconstruction, last, retain_graph=True)[0].norm()
other = torch.autograd.grad(adversarial, last, retain_graph=True)[0].norm()
real, fake = judge(photos), judge(drawn.detach())
tensors |= {"photos": photos, "hidden": hidden, "last": last.detach(), "real": real, "fake": fake}
tensors |= {"adversarial": adversarial.detach(), "adaptiveWeight": (own / (other + 1e-4)).clamp(0, 1e4)}
tensors |= {"loss": 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())}
distances = [(a - b).abs().mean() for a, b in zip(look(photos)[:-1], look(drawn.detach())[:-1])]
tensors |= {"featureDistance": sum(distances) / len(distances)}
enlarged = photos + DETAIL * (photos - local_mean(photos))
tensors |= {"enlarged": enlarged, "realDetail": judge(enlarged)}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, FOLDER / "patch-discriminator.safetensors")
about = {
    "kind": "patch-discriminator",
    "reference": f"torch {torch.__version__}, from the papers' formulas",
    "channels": CHANNELS,
    "layers": LAYERS,
    "detail": DETAIL,
    "rtol": 1e-4,
}
(FOLDER / "patch-discriminator.json").write_text(json.dumps(about, indent=1) + "\n")
