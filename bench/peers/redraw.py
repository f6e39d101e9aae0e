"""One batch of redraws: encode the photos, add noise, denoise with guidance by DDIM, decode."""

import torch

from stable_diffusion import StableDiffusion


def prepare(model, ids, negative_ids, image_size, steps, strengths, guidance):
    sd = StableDiffusion(model)
    ids, negative_ids = torch.tensor(ids), torch.tensor([negative_ids])
    images = torch.rand(len(ids), 3, image_size, image_size) * 2 - 1
    total = len(sd.alphas_cumprod)
    # diffusers' "leading" spacing
    grid = torch.arange(steps - 1, -1, -1) * (total // steps) + sd.schedule.get("steps_offset", 0)
    first = [steps - min(int(steps * strength), steps) for strength in strengths]

    @torch.no_grad()
    def step():
        context = sd.text_encoder(ids)
        context = torch.cat([sd.text_encoder(negative_ids).expand(len(ids), -1, -1), context])
        mean, logvar = sd.vae.moments(images)
        clean = (mean + torch.randn_like(mean) * (0.5 * logvar).exp()) * sd.vae.scaling_factor
        noise = torch.randn_like(clean)
        signal = sd.alphas_cumprod[grid[torch.tensor(first)]][:, None, None, None]
        latents = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        for index in range(min(first), steps):
            rows = [row for row, begin in enumerate(first) if begin <= index]
            latents[rows] = denoise(latents[rows], index, context[rows + [len(ids) + row for row in rows]])
        return sd.vae.decode(latents / sd.vae.scaling_factor).mul(0.5).add(0.5).clamp(0, 1)

    def denoise(x, index, context):
        timestep = grid[index]
        before = timestep - total // steps
        now = sd.alphas_cumprod[timestep]
        previous = sd.alphas_cumprod[before] if before >= 0 else sd.alphas_cumprod[0]
        both = sd.unet(torch.cat([x, x]), timestep.expand(2 * len(x)), context)
        unguided, guided = both.chunk(2)
        predicted = unguided + guidance * (guided - unguided)
        origin = (x - (1 - now).sqrt() * predicted) / now.sqrt()
        return previous.sqrt() * origin + (1 - previous).sqrt() * predicted

    return step, {"parameters": sd.parameters(), "evaluations": sum(steps - begin for begin in first)}
