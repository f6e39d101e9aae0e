import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "@penumbra/torch";
import sharp from "sharp";
import { afterAll, expect, test } from "vitest";
import { ResNet as Encoder } from "../../penumbra/src/models/index.ts";
import { ResNet, resnet18 } from "../examples/resnet.ts";

const examples = join(import.meta.dirname, "../examples");
const folder = mkdtempSync(join(import.meta.dirname, ".readme-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the examples' ResNet computes what Penumbra's does, which timm's goldens check", () => {
  torch.manualSeed(0);
  const network = new ResNet([2, 2, 2, 2], { classes: 5, width: 8 });
  const encoder = new Encoder({ depth: 18, stem: "imagenet", width: 8, classes: 5 });
  encoder.loadStateDict(network.stateDict());
  network.eval();
  encoder.eval();
  const images = torch.randn([2, 3, 64, 64]);
  const [ours, theirs] = torch.inferenceMode(() => [network.forward(images), encoder.forward(images)]);
  expect(ours.shape).toEqual([2, 5]);
  expect(torch.allclose(ours, theirs, { rtol: 1e-5, atol: 1e-6 })).toBe(true);
});

test("ResNet-18 has the weights of torchvision's: 11,689,512 numbers under 122 names", () => {
  const network = resnet18();
  const count = network.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  expect(count).toBe(11_689_512);
  const names = Object.keys(network.stateDict());
  expect(names).toHaveLength(122);
  expect(names).toContain("layer2.0.downsample.1.running_var");
});

test("a pretrained network names a photo, by the lines that stand in the README", async () => {
  const file = join(examples, "name-a-photo.ts");
  const code = readFileSync(file, "utf8").replace(/^\/\/.*\n/gm, "");
  expect(readFileSync(join(examples, "../README.md"), "utf8")).toContain(code);
  // Weights that see one thing alone: class 7 in whatever is bright.
  torch.manualSeed(0);
  const network = resnet18();
  torch.noGrad(() => torch.nn.init.zeros_(network.fc.weight));
  torch.noGrad(() => void network.fc.bias?.fill_(0).setAt(7, 5));
  torch.save(Object.fromEntries(Object.entries(network.stateDict())), join(folder, "resnet18-f37072fd.pth"));
  writeFileSync(join(folder, "names.txt"), Array.from({ length: 1000 }, (_, i) => `class ${i}`).join("\n"));
  const photo = { create: { width: 320, height: 240, channels: 3, background: "white" } } as const;
  await sharp(photo).jpeg().toFile(join(folder, "photo.jpg"));
  const output = execFileSync(process.execPath, ["--import", "tsx", "--conditions=source", file], {
    cwd: folder,
    encoding: "utf8",
    env: { ...process.env, NODE_PATH: "" },
  });
  // softmax of one 5 among 999 zeros
  expect(output).toMatch(/^class 7 0\.129/);
  expect(Math.exp(5) / (Math.exp(5) + 999)).toBeCloseTo(0.1293, 4);
});
