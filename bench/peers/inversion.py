"""A step of textual inversion: one word for each class, all classes in one batch, everything else frozen."""

import torch
from torch.nn import functional as F

from stable_diffusion import StableDiffusion


def prepare(model, ids, first_word, photos, batch, precision):
    """ids: for each class its prompts, [templates][77]; the id first_word + k stands for the word of class k."""
    sd = StableDiffusion(model)
    ids = torch.tensor(ids)  # [classes, templates, 77]
    classes, templates, _ = ids.shape
    words = torch.nn.Parameter(sd.text_encoder.embed(torch.zeros(classes, dtype=torch.int64)).clone())
    optimizer = torch.optim.AdamW([words], lr=2e-3, weight_decay=1e-2, fused=True)
    images = torch.rand(classes * photos, 3, sd.image_size, sd.image_size) * 2 - 1
    with torch.no_grad():  # photos and their mirror images are encoded once
        mean, logvar = sd.vae.moments(torch.cat([images, images.flip(3)]))

    def step():
        optimizer.zero_grad(set_to_none=True)
        chosen = torch.cat([torch.randint(0, 2 * photos, (batch,)) + k * 2 * photos for k in range(classes)])
        texts = torch.cat([ids[k, torch.randint(0, templates, (batch,))] for k in range(classes)])
        latents = mean[chosen] + torch.randn(len(chosen), *mean.shape[1:]) * (0.5 * logvar[chosen]).exp()
        latents = latents * sd.vae.scaling_factor
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, len(sd.alphas_cumprod), (len(chosen),))
        signal = sd.alphas_cumprod[timesteps][:, None, None, None]
        noisy = signal.sqrt() * latents + (1 - signal).sqrt() * noise
        target = noise if sd.predicts_noise else signal.sqrt() * noise - (1 - signal).sqrt() * latents
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            is_word = texts >= first_word
            known = sd.text_encoder.embed(texts.clamp(max=first_word - 1))
            learnt = F.embedding((texts - first_word).clamp(min=0), words)
            context = sd.text_encoder.encode(torch.where(is_word[..., None], learnt, known))
            predicted = sd.unet(noisy.contiguous(memory_format=torch.channels_last), timesteps, context)
            loss = (predicted.float() - target).square().mean(dim=(1, 2, 3)).sum() / batch
        loss.backward()
        optimizer.step()

    return step, {"parameters": sd.parameters(), "samples": classes * batch}
