"""Steps of textual inversion as diffusers' example takes them (examples/textual_inversion/textual_inversion.py): photos go
through the autoencoder in each step, the whole table of tokens has a gradient and is stepped, and all rows but the word's
are put back.

Usage: inversion_example.py MODEL THREADS BATCH STEPS; a line on standard input begins a round of steps, the seconds of
processor time that it took are the answer.
"""

import sys
import time

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

model, threads, batch, steps = sys.argv[1], *map(int, sys.argv[2:5])
torch.set_num_threads(threads)
tokenizer = CLIPTokenizer.from_pretrained(model, subfolder="tokenizer")
text_encoder = CLIPTextModel.from_pretrained(model, subfolder="text_encoder", torch_dtype=torch.float32)
vae = AutoencoderKL.from_pretrained(model, subfolder="vae", torch_dtype=torch.float32)
unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet", torch_dtype=torch.float32)
scheduler = DDPMScheduler.from_pretrained(model, subfolder="scheduler")

tokenizer.add_tokens(["<relay>"])
placeholder = tokenizer.convert_tokens_to_ids("<relay>")
text_encoder.resize_token_embeddings(len(tokenizer))
table = text_encoder.get_input_embeddings().weight
with torch.no_grad():
    table[placeholder] = table[tokenizer.encode("the", add_special_tokens=False)[0]]
for network in (vae, unet, text_encoder):
    network.requires_grad_(False)
table.requires_grad_(True)
text_encoder.train()
optimizer = torch.optim.AdamW([table], lr=2e-3, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
before = table.detach().clone()
others = torch.ones(len(tokenizer), dtype=torch.bool)
others[placeholder] = False

side = unet.config.sample_size * 2 ** (len(vae.config.block_out_channels) - 1)
photos = torch.rand(batch, 3, side, side) * 2 - 1
ids = tokenizer(
    ["a photo of a <relay>"] * batch,
    padding="max_length",
    truncation=True,
    max_length=tokenizer.model_max_length,
    return_tensors="pt",
).input_ids


def step():
    latents = vae.encode(photos).latent_dist.sample().detach() * vae.config.scaling_factor
    noise = torch.randn_like(latents)
    timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (batch,)).long()
    noisy = scheduler.add_noise(latents, noise, timesteps)
    predicted = unet(noisy, timesteps, text_encoder(ids)[0]).sample
    loss = F.mse_loss(predicted.float(), noise.float(), reduction="mean")
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    with torch.no_grad():
        table[others] = before[others]


print("ready", flush=True)
for _ in sys.stdin:
    started = time.process_time()
    for _ in range(steps):
        step()
    print(time.process_time() - started, flush=True)
