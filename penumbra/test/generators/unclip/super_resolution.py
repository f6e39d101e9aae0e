# Writes goldens/generators/unclip-super-resolution: tiny super-resolution networks of random weights (one with each way
# in which time enters), and what diffusers' UnCLIPImageVariationPipeline draws with them behind goldens/sd/unclip-tiny.
# Run: python3 penumbra/test/generators/unclip/super_resolution.py (needs diffusers and transformers)
import json
import pathlib
from types import SimpleNamespace

import diffusers
import torch
from diffusers import UNet2DConditionModel, UNet2DModel
from diffusers.pipelines.deprecated.unclip import UnCLIPImageVariationPipeline, UnCLIPTextProjModel
from diffusers.schedulers import scheduling_unclip
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection

GOLDENS = pathlib.Path(__file__).parent.parent.parent / "goldens"
MODEL = GOLDENS / "sd" / "unclip-tiny"
FOLDER = GOLDENS / "generators" / "unclip-super-resolution"
STEPS, LARGE_STEPS, GUIDANCE, SIZE = 3, 4, 8.0, 20
torch.manual_seed(5)

sizes = {"in_channels": 6, "block_out_channels": (8, 12), "norm_num_groups": 4, "layers_per_block": 1}
types = {"down_block_types": ("ResnetDownsampleBlock2D",) * 2, "up_block_types": ("ResnetUpsampleBlock2D",) * 2}
first = UNet2DModel(sample_size=SIZE, add_attention=False, **sizes, **types)
last = UNet2DModel(add_attention=False, resnet_time_scale_shift="scale_shift", **sizes, **types)
scheduler = scheduling_unclip.UnCLIPScheduler(prediction_type="epsilon", variance_type="fixed_small_log")
for part, name in ((first, "super_res_first"), (last, "super_res_last"), (scheduler, "super_res_scheduler")):
    part.save_pretrained(FOLDER / name)

given = load_file(GOLDENS / "sd" / "unclip-tiny-prior-loop.safetensors")


class Tokenizer:
    """The tiny text encoder knows few ids: those of its empty text."""

    model_max_length = given["uncond_ids"].shape[1]

    def __call__(self, texts, **_):
        ids, mask = (given[name].repeat(len(texts), 1) for name in ("uncond_ids", "uncond_attention_mask"))
        return SimpleNamespace(input_ids=ids, attention_mask=mask)


pipeline = UnCLIPImageVariationPipeline(
    decoder=UNet2DConditionModel.from_pretrained(MODEL / "decoder"),
    text_encoder=CLIPTextModelWithProjection.from_pretrained(MODEL / "text_encoder"),
    tokenizer=Tokenizer(),
    text_proj=UnCLIPTextProjModel.from_pretrained(MODEL / "text_proj"),
    feature_extractor=None,
    image_encoder=CLIPVisionModelWithProjection.from_pretrained(MODEL / "image_encoder"),
    super_res_first=first,
    super_res_last=last,
    decoder_scheduler=scheduling_unclip.UnCLIPScheduler.from_pretrained(MODEL / "decoder_scheduler"),
    super_res_scheduler=scheduler,
)

noise, seen = [], []
draw = scheduling_unclip.randn_tensor
scheduling_unclip.randn_tensor = lambda *args, **kwargs: noise.append(draw(*args, **kwargs)) or noise[-1]
first.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs["sample"]), with_kwargs=True)
embeddings = given["image_embeddings"]
tensors = {
    "latents": torch.randn(len(embeddings), 3, 8, 8),
    "large_latents": torch.randn(len(embeddings), 3, SIZE, SIZE),
}
images = pipeline(
    image_embeddings=embeddings,
    decoder_num_inference_steps=STEPS,
    super_res_num_inference_steps=LARGE_STEPS,
    decoder_guidance_scale=GUIDANCE,
    decoder_latents=tensors["latents"],
    super_res_latents=tensors["large_latents"],
    output_type="np",
).images
assert len(seen) == LARGE_STEPS - 1
tensors |= {
    "image_embeddings": embeddings,
    "ids": given["uncond_ids"],
    "attention_mask": given["uncond_attention_mask"],
    "noise": torch.stack(noise[: STEPS - 1]),
    "large_noise": torch.stack(noise[STEPS - 1 :]),
    "enlarged": seen[0][:, 3:],
    "images": torch.from_numpy(images).permute(0, 3, 1, 2),
}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, FOLDER.with_suffix(".safetensors"))
about = {
    "kind": "unclip-super-resolution",
    "reference": f"diffusers {diffusers.__version__} UnCLIPImageVariationPipeline; images in 0..1",
    "model": "sd/unclip-tiny",
    "superResolution": "generators/unclip-super-resolution",
    "steps": STEPS,
    "largeSteps": LARGE_STEPS,
    "guidance": GUIDANCE,
    "rtol": 1e-3,
}
FOLDER.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n")
