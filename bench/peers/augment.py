"""Random changes of a batch of images as one bilinear sampling and one linear map of the colours."""

import math

import torch
from torch.nn import functional as F

LUMA = torch.tensor([0.2989, 0.587, 0.114]).view(1, 3, 1, 1)


def uniform(count, low, high):
    return torch.rand(count) * (high - low) + low


def augment(images, spec):
    """uint8 [B, 3, H, W] -> float32 [B, 3, H, W] in 0..1."""
    count, _, height, width = images.shape
    x = images.float()
    grid = F.affine_grid(matrices(count, height, width, spec), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    x = colour(x, count, spec)
    if spec.get("noise"):
        x = x.add_(torch.randn_like(x), alpha=spec["noise"])
    return x.clamp_(0, 1)


def matrices(count, height, width, spec):
    scale, ratio = spec["crop"]["scale"], spec["crop"].get("ratio", [3 / 4, 4 / 3])
    area = uniform(count, *scale)
    proportion = torch.exp(uniform(count, math.log(ratio[0]), math.log(ratio[1])))
    box_width = (area * proportion * height / width).sqrt().clamp(max=1)
    box_height = (area / proportion * width / height).sqrt().clamp(max=1)
    centre_x = (1 - box_width) * uniform(count, -1, 1)
    centre_y = (1 - box_height) * uniform(count, -1, 1)
    mirror = torch.where(torch.rand(count) < spec.get("flip", 0), -1.0, 1.0)
    angle = uniform(count, -1, 1) * math.radians(spec.get("rotation", 0))
    zoom = torch.exp(uniform(count, *[math.log(edge) for edge in spec.get("scale", [1, 1])]))
    shift = spec.get("shift", 0)
    shift_x, shift_y = 2 * uniform(count, -shift, shift), 2 * uniform(count, -shift, shift)
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    xx, xy, yx, yy = cos, -sin * height / width, sin * width / height, cos
    box_x = mirror * box_width
    rows = [
        [box_x * xx, box_x * xy, centre_x - box_x * (xx * shift_x + xy * shift_y)],
        [box_height * yx, box_height * yy, centre_y - box_height * (yx * shift_x + yy * shift_y)],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)


def colour(x, count, spec):
    b, c, s = (1 + uniform(count, -1, 1) * spec.get(name, 0) for name in ("brightness", "contrast", "saturation"))
    b, c, s = (factor.view(count, 1, 1, 1) for factor in (b, c, s))
    luma = (x * LUMA).sum(dim=1, keepdim=True)
    mean = luma.mean(dim=(1, 2, 3), keepdim=True)
    shared = luma * (b * c * (1 - s) / 255) + mean * (b * (1 - c) / 255)
    return torch.addcmul(shared, x, b * c * s / 255)
