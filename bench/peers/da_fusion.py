"""DA-Fusion's way to redraw a photo (Trabucco et al. 2023): diffusers' pipeline, one image a call, PNDM.

Usage: da_fusion.py MODEL THREADS STEPS VARIANTS STRENGTH GUIDANCE PROMPT; a line on standard input begins a round, the seconds of
processor time that it took are the answer.
"""

import sys
import time

import torch
from diffusers import PNDMScheduler, StableDiffusionImg2ImgPipeline
from PIL import Image

model, threads, steps, variants, strength, guidance, prompt = sys.argv[1:8]
torch.set_num_threads(int(threads))
pipe = StableDiffusionImg2ImgPipeline.from_pretrained(model, safety_checker=None, torch_dtype=torch.float32)
pipe.scheduler = PNDMScheduler.from_config(pipe.scheduler.config, skip_prk_steps=True)
pipe.set_progress_bar_config(disable=True)
side = pipe.unet.config.sample_size * pipe.vae_scale_factor
photo = Image.effect_noise((side, side), 64).convert("RGB")
print("ready", flush=True)
for _ in sys.stdin:
    started = time.process_time()
    for variant in range(int(variants)):
        pipe(
            prompt=prompt,
            image=photo,
            strength=float(strength),
            guidance_scale=float(guidance),
            num_inference_steps=int(steps),
            generator=torch.Generator().manual_seed(variant),
        )
    print(time.process_time() - started, flush=True)
