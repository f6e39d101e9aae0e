"""A network in inference, eager, and the package that AOTInductor makes of it (`file`, written where it is not there yet)."""

import os

import torch

import resnet18
import transformer


def build(network, shape):
    if network == "resnet18":
        trunk = resnet18.ResNet([2, 2, 2, 2])
        model = torch.nn.Sequential(trunk, torch.nn.Linear(trunk.features, shape["classes"]))
        size = (shape["batch"], 3, shape["size"], shape["size"])
        count = shape["batch"] * 3 * shape["size"] ** 2
        example = torch.arange(count).remainder(255).div(255).reshape(size)
        return model.to(memory_format=torch.channels_last), example.contiguous(memory_format=torch.channels_last)
    model = transformer.Transformer(*(shape[key] for key in ("vocabulary", "length", "channels", "heads", "layers")))
    count = shape["batch"] * shape["length"]
    return model, torch.arange(count).remainder(shape["vocabulary"]).reshape(shape["batch"], shape["length"])


def prepare(network, file, shape):
    model, example = build(network, shape)
    model = model.eval().requires_grad_(False)
    if not os.path.exists(file):
        program = torch.export.export(model, (example,))
        aside = file.removesuffix(".pt2") + ".partial.pt2"
        torch._inductor.aoti_compile_and_package(program, package_path=aside)
        os.rename(aside, file)

    def step():
        with torch.inference_mode():
            model(example)

    parameters = sum(parameter.numel() for parameter in model.parameters())
    return step, {"parameters": parameters, "sum": model(example).double().abs().sum().item()}
