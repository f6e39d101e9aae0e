"""Writes goldens/image/transforms-more: torchvision's transforms of tone, shear and perspective.

python3 transforms-more.py    # torch 2.13.0, torchvision 0.28.0
"""
import json
from pathlib import Path

import torch

# torchvision's C++ operators are not needed here, and a wheel for another build of torch does not bring them.
torch.library.register_fake = lambda *_, **__: lambda function: function

import torchvision.transforms.functional as F  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

torch.manual_seed(7)
H, W = 17, 23
# Uneven levels and a flat channel: what equalize, posterize and autocontrast have to tell apart.
levels = (torch.rand(2, 3, H, W) ** 2 * 200 + 20).round()
levels[1, 2] = 90
levels[0, 1, :, :12] = 40
image = levels / 255
uint8 = levels.to(torch.uint8)
bilinear = F.InterpolationMode.BILINEAR
tensors = {"image": image}
for threshold in (0.25, 0.6):
    tensors[f"solarize_{threshold}"] = F.solarize(image, threshold)
for bits in (1, 4, 6):
    tensors[f"posterize_{bits}"] = F.posterize(uint8, bits) / 255
tensors["equalize"] = F.equalize(uint8) / 255
tensors["autocontrast"] = F.autocontrast(image)
for factor in (0.4, 1.7):
    tensors[f"sharpness_{factor}"] = F.adjust_sharpness(image, factor)
for degrees, x, y in ((0, 12, -7), (0, -20, 0), (25, 10, 15)):
    # torchvision turns clockwise here, and counter-clockwise in `rotate`.
    tensors[f"affine_r{-degrees}_x{x}_y{y}"] = F.affine(image, degrees, [0, 0], 1.0, [x, y], bilinear)
start = [[0, 0], [W - 1, 0], [W - 1, H - 1], [0, H - 1]]
for end in ([[2, 1], [20, 0], [19, 15], [1, 13]], [[0, 4], [22, 0], [16, 16], [5, 12]]):
    name = "_".join(str(v) for point in end for v in point)
    tensors[f"perspective_{name}"] = F.perspective(image, start, end, bilinear)

folder = Path(__file__).parent.parent / "goldens" / "image"
save_file({name: tensor.float().contiguous() for name, tensor in tensors.items()}, folder / "transforms-more.safetensors")
reference = "torchvision 0.28.0 transforms.functional; posterize and equalize on uint8, divided by 255"
(folder / "transforms-more.json").write_text(json.dumps({"reference": reference, "rtol": 0.0001}, indent=1) + "\n")
