"""A step of textual inversion: the words' vectors are learnt, everything else is frozen."""

import torch
from torch.nn import functional as F

from stable_diffusion import StableDiffusion


def prepare(model, ids, placeholders, image_size, learning_rate, weight_decay):
    sd = StableDiffusion(model)
    ids = torch.tensor(ids)
    placeholders = torch.tensor(placeholders)  # the token in `ids` that stands for word number i
    words = torch.nn.Parameter(torch.randn(len(placeholders), sd.text_encoder.embed(ids).shape[-1]) * 0.02)
    optimizer = torch.optim.AdamW([words], lr=learning_rate, weight_decay=weight_decay, fused=True)
    images = torch.rand(len(ids), 3, image_size, image_size) * 2 - 1
    is_word = ids[:, :, None] == placeholders  # [B, 77, words]
    known = torch.where(is_word.any(-1), torch.zeros_like(ids), ids)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            mean, logvar = sd.vae.moments(images)
            latents = (mean + torch.randn_like(mean) * (0.5 * logvar).exp()) * sd.vae.scaling_factor
            noise = torch.randn_like(latents)
            timesteps = torch.randint(0, len(sd.alphas_cumprod), (len(latents),))
            signal = sd.alphas_cumprod[timesteps][:, None, None, None]
            noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        embedded = torch.where(is_word.any(-1, keepdim=True), is_word.float() @ words, sd.text_encoder.embed(known))
        predicted = sd.unet(noisy, timesteps, sd.text_encoder.encode(embedded))
        F.mse_loss(predicted, noise).backward()
        optimizer.step()

    return step, {"parameters": sd.parameters(), "learnt": words.numel()}
