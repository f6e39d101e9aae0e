"""A model folder in diffusers' layout, read without diffusers."""

import json
from pathlib import Path

import torch

from autoencoder import AutoencoderKL
from clip_text import CLIPTextModel
from unet import UNet2DConditionModel

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(path):
    data = bytearray(Path(path).read_bytes())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(data, dtype=torch.uint8, count=end - begin, offset=8 + length + begin)
        tensors[name] = flat.clone().view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def load_part(kind, folder):
    config = json.loads((folder / "config.json").read_text())
    model = kind(config)
    weights = {
        name: tensor.float()
        for path in sorted(folder.glob("*.safetensors"))
        for name, tensor in read_safetensors(path).items()
        if not name.endswith("position_ids")
    }
    # Some exports leave the prefix out.
    if kind is CLIPTextModel and not any(name.startswith("text_model.") for name in weights):
        weights = {f"text_model.{name}": tensor for name, tensor in weights.items()}
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


class StableDiffusion:
    def __init__(self, folder):
        folder = Path(folder)
        self.text_encoder = load_part(CLIPTextModel, folder / "text_encoder")
        self.unet = load_part(UNet2DConditionModel, folder / "unet")
        self.vae = load_part(AutoencoderKL, folder / "vae")
        self.schedule = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        self.alphas_cumprod = alphas_cumprod(self.schedule)
        self.predicts_noise = self.schedule.get("prediction_type", "epsilon") == "epsilon"
        unet = json.loads((folder / "unet" / "config.json").read_text())
        vae = json.loads((folder / "vae" / "config.json").read_text())
        self.image_size = unet["sample_size"] * 2 ** (len(vae["block_out_channels"]) - 1)

    def parameters(self):
        parts = (self.text_encoder, self.unet, self.vae)
        return sum(parameter.numel() for part in parts for parameter in part.parameters())


def alphas_cumprod(schedule):
    start, end, count = schedule["beta_start"], schedule["beta_end"], schedule["num_train_timesteps"]
    if schedule["beta_schedule"] == "scaled_linear":
        betas = torch.linspace(start**0.5, end**0.5, count, dtype=torch.float64) ** 2
    else:
        betas = torch.linspace(start, end, count, dtype=torch.float64)
    return torch.cumprod(1 - betas, dim=0).float()
