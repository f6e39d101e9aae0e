# Writes goldens/tiles/tiled-autoencoder-*.{json,safetensors}: images of a tiny AutoencoderKL with random weights, encoded
# and decoded in tiles by diffusers (enable_tiling). Run: python3 penumbra/test/models/tiled_autoencoder.py
import json
import pathlib

import diffusers
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).parent.parent / "goldens" / "tiles"
CONFIG = dict(
    latent_channels=4,
    block_out_channels=[8, 16],
    layers_per_block=1,
    norm_num_groups=4,
    down_block_types=["DownEncoderBlock2D"] * 2,
    up_block_types=["UpDecoderBlock2D"] * 2,
)
SIDE = 16  # of a tile, in pixels


def case(name, height, width):
    generator = torch.Generator().manual_seed(height * 1000 + width)
    torch.manual_seed(7)
    vae = AutoencoderKL(**CONFIG).eval()
    vae.tile_sample_min_size = SIDE
    vae.tile_latent_min_size = SIDE // 2
    vae.enable_tiling()
    images = torch.rand(2, 3, height, width, generator=generator) * 2 - 1
    with torch.no_grad():
        posterior = vae.encode(images).latent_dist
        latents = torch.randn(2, 4, height // 2, width // 2, generator=generator)
        decoded = vae.decode(latents).sample
    tensors = {f"vae.{key}": value for key, value in vae.state_dict().items()}
    tensors |= {"images": images, "mean": posterior.mean, "logvar": posterior.logvar}
    tensors |= {"latents": latents, "decoded": decoded}
    save_file({key: value.contiguous() for key, value in tensors.items()}, FOLDER / f"{name}.safetensors")
    about = {
        "kind": "tiled-autoencoder",
        "reference": f"diffusers {diffusers.__version__} AutoencoderKL.enable_tiling, torch {torch.__version__}",
        "config": CONFIG,
        "side": SIDE,
        "rtol": 1e-4,
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(about, indent=1) + "\n")


case("tiled-autoencoder-even", 32, 32)
case("tiled-autoencoder-odd", 40, 28)
