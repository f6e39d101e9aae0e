"""Loads the folder `ours` by diffusers without a name missing or left over, draws an image from `noise.safetensors`, and
writes the model to `theirs` and the image to `image.safetensors`.

Usage: same_image.py FOLDER PROMPT STEPS GUIDANCE
"""

import sys
from pathlib import Path

from diffusers import StableDiffusionPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

folder, prompt, steps, guidance = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
pipe = StableDiffusionPipeline.from_pretrained(folder / "ours", safety_checker=None)
pipe.set_progress_bar_config(disable=True)
for part, network in (("unet", pipe.unet), ("vae", pipe.vae)):
    with safe_open(folder / "ours" / part / "diffusion_pytorch_model.safetensors", "pt") as stored:
        differing = set(stored.keys()) ^ set(network.state_dict())
    assert not differing, f"{part}: {sorted(differing)}"
noise = load_file(folder / "noise.safetensors")["noise"]
image = pipe(
    prompt=prompt,
    latents=noise,
    num_inference_steps=steps,
    guidance_scale=guidance,
    output_type="pt",
).images
save_file({"image": image.contiguous()}, folder / "image.safetensors")
pipe.save_pretrained(folder / "theirs")
