"""One batch of redraws: encode the photos, add noise, denoise with guidance by DDIM, decode."""

import torch

from stable_diffusion import StableDiffusion


def prepare(model, ids, negative_ids, steps, strengths, guidance, precision):
    sd = StableDiffusion(model)
    ids, negative_ids = torch.tensor(ids), torch.tensor([negative_ids])
    # Distinct prompts are encoded once.
    distinct, rows_of = torch.unique(ids, dim=0, return_inverse=True)
    photos = torch.rand(len(ids), 3, sd.image_size, sd.image_size)
    total = len(sd.alphas_cumprod)
    # diffusers' "leading" spacing
    grid = torch.arange(steps - 1, -1, -1) * (total // steps) + sd.schedule.get("steps_offset", 0)
    first = torch.tensor([steps - min(int(steps * strength), steps) for strength in strengths])
    order = first.argsort(stable=True)  # those that begin earlier come first, so that active rows are a prefix

    @torch.no_grad()
    def step():
        context = sd.text_encoder(distinct)[rows_of][order]
        away = sd.text_encoder(negative_ids).expand(len(ids), -1, -1)
        pixels = photos[order].contiguous(memory_format=torch.channels_last) * 2 - 1
        mean, logvar = sd.vae.moments(pixels)
        clean = (mean + torch.randn_like(mean) * (0.5 * logvar).exp()) * sd.vae.scaling_factor
        signal = sd.alphas_cumprod[grid[first[order]]][:, None, None, None]
        latents = signal.sqrt() * clean + (1 - signal).sqrt() * torch.randn_like(clean)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            for index in range(int(first.min()), steps):
                active = int((first <= index).sum())
                latents[:active] = denoise(latents[:active], index, torch.cat([away[:active], context[:active]]))
        result = torch.empty_like(latents)
        result[order] = latents
        decoded = sd.vae.decode(result.contiguous(memory_format=torch.channels_last) / sd.vae.scaling_factor)
        return decoded.mul(0.5).add(0.5).clamp(0, 1).contiguous()

    def denoise(x, index, context):
        timestep = grid[index]
        before = timestep - total // steps
        now = sd.alphas_cumprod[timestep]
        previous = sd.alphas_cumprod[before] if before >= 0 else sd.alphas_cumprod[0]
        both = torch.cat([x, x]).contiguous(memory_format=torch.channels_last)
        unguided, guided = sd.unet(both, timestep.expand(len(both)), context).float().chunk(2)
        predicted = unguided + guidance * (guided - unguided)
        if sd.predicts_noise:
            noise, origin = predicted, (x - (1 - now).sqrt() * predicted) / now.sqrt()
        else:
            origin = now.sqrt() * x - (1 - now).sqrt() * predicted
            noise = now.sqrt() * predicted + (1 - now).sqrt() * x
        return previous.sqrt() * origin + (1 - previous).sqrt() * noise

    return step, {"parameters": sd.parameters(), "imageSize": sd.image_size}
