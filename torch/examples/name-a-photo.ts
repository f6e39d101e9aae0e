// A pretrained ResNet says what is in a photo. In the working folder: torchvision's weights as they are published, a
// photo, and the names of the classes, one a line.
import { readFileSync } from "node:fs";
import { fromTyped, inferenceMode, load, type nn, tensor } from "@penumbra/torch";
import sharp from "sharp";
import { resnet18 } from "./resnet.ts";

const model = resnet18();
model.loadStateDict(load("resnet18-f37072fd.pth") as nn.StateDict);
model.eval();

const view = { left: 16, top: 16, width: 224, height: 224 }; // the middle of 256 x 256, as in training
const pixels = await sharp("photo.jpg").resize(256, 256).extract(view).removeAlpha().raw().toBuffer();
const image = fromTyped(new Uint8Array(pixels), [224, 224, 3]).permute([2, 0, 1]).float().div(255);
const mean = tensor([0.485, 0.456, 0.406]).reshape([3, 1, 1]); // of ImageNet's channels
const std = tensor([0.229, 0.224, 0.225]).reshape([3, 1, 1]);
const logits = inferenceMode(() => model.forward(image.sub(mean).div(std).unsqueeze(0))); // [1, 1000]
const [probability, best] = logits.softmax(-1).max(1);
console.log(readFileSync("names.txt", "utf8").split("\n")[best.item()], probability.item());
