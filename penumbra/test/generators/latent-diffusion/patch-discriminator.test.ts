import { conv2d, fromTyped, full, rand, type Tensor } from "@penumbra/torch";
import { describe, expect, test } from "vitest";
import { AutoencoderTrainee } from "../../../src/generators/latent-diffusion/autoencoder.ts";
import {
  adaptiveWeight,
  featureDistance,
  PatchDiscriminator,
  patchLoss,
  withDetail,
} from "../../../src/generators/latent-diffusion/patch-discriminator.ts";
import { PretrainSettings } from "../../../src/generators/latent-diffusion/settings.ts";
import { eachGolden, expectClose } from "../../goldens.ts";

// Written by patch_discriminator.py.
eachGolden("generators", "patch-discriminator", ({ json, tensors }) => {
  const { channels, layers, detail, rtol } = json as unknown as Record<
    "channels" | "layers" | "detail" | "rtol",
    number
  >;
  const discriminator = (detail: number) => {
    const network = new PatchDiscriminator({ channels, layers, detail });
    const state = network.stateDict();
    const given = (name: string) => tensors[name] ?? state[name]!; // running averages are not looked at in training
    network.loadStateDict(Object.fromEntries(Object.keys(state).map((name) => [name, given(name)])));
    return network;
  };
  const network = discriminator(0);
  const last = tensors.last!.clone().requiresGrad_();
  const drawn = conv2d(tensors.hidden!, last, { padding: [1, 1] });
  const reconstruction = drawn.sub(tensors.photos!).abs().mean();
  const adversarial = network.forward(drawn).mean().neg();
  expectClose(adversarial.detach(), tensors.adversarial!, rtol);
  expectClose(adaptiveWeight(reconstruction, adversarial, last), tensors.adaptiveWeight!, rtol);
  const [real, fake] = [network.forward(tensors.photos!), network.forward(drawn.detach())] as [
    Tensor,
    Tensor,
  ];
  expectClose(real.detach(), tensors.real!, rtol);
  expectClose(fake.detach(), tensors.fake!, rtol);
  expectClose(patchLoss(real, fake).detach(), tensors.loss!, rtol);
  const [photos, made] = [tensors.photos!, drawn.detach()].map((images) => network.look(images).layers) as [
    Tensor[],
    Tensor[],
  ];
  expectClose(featureDistance(photos, made).detach(), tensors.featureDistance!, rtol);
  expectClose(withDetail(tensors.photos!, detail), tensors.enlarged!, rtol);
  expectClose(discriminator(detail).forward(tensors.photos!).detach(), tensors.realDetail!, rtol);
});

test("images are as near to themselves as can be, and even ones have no detail", () => {
  const network = new PatchDiscriminator({ channels: 4, layers: 1 });
  const images = rand([2, 3, 16, 16]);
  const { layers } = network.look(images);
  expect(featureDistance(layers, layers).item()).toBe(0);
  expect(featureDistance(layers, network.look(images.flip([0])).layers).item()).toBeGreaterThan(0);
  const even = full([1, 3, 8, 8], 0.25);
  expectClose(withDetail(even, 8), even, 1e-6);
  expect(withDetail(images, 0)).toBe(images);
});

describe("an autoencoder with a patch discriminator", () => {
  const images = fromTyped(
    Uint8Array.from({ length: 6 * 3 * 16 * 16 }, (_, i) => (i * 37 + (i >> 6)) % 256),
    [6, 3, 16, 16],
  );
  const trainee = (discriminator: object) =>
    new AutoencoderTrainee({
      settings: PretrainSettings.parse({
        preset: "tiny",
        autoencoder: { batchSize: 4, crop: 16, discriminator: { channels: 8, ...discriminator } },
      }),
      images,
      compute: (fn) => fn(),
    });
  const weightsOf = ({ vae }: AutoencoderTrainee) => vae.decoder.convOut.weight.detach().toNumbers();
  const run = (one: AutoencoderTrainee, steps: number) =>
    Array.from({ length: steps }, (_, step) => one.step(step, 1e-3).map((loss) => loss.item()));

  test("learns as without one until it begins, and otherwise from then on", () => {
    const [without, waiting, judged] = [
      trainee({}),
      trainee({ weight: 1, start: 9 }),
      trainee({ weight: 1, start: 2 }),
    ];
    run(without, 3);
    const idle = run(waiting, 3);
    expect(weightsOf(waiting)).toEqual(weightsOf(without));
    expect(idle.map((losses) => losses.slice(3))).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    const losses = run(judged, 4);
    expect(judged.lossNames).toHaveLength(losses[0]!.length);
    expect(losses[2]![4]).toBeGreaterThan(0);
    expect(weightsOf(judged)).not.toEqual(weightsOf(without));
    expect(Object.keys(judged.networks)).toEqual(["autoencoder", "discriminator"]);
    expect(Object.keys(without.networks)).toEqual(["autoencoder"]);
  });

  test("also learns from how far its images are from photos within the layers, where that counts", () => {
    const [judged, like] = [trainee({ weight: 1 }), trainee({ weight: 1, features: 10 })];
    const losses = [judged, like].map((one) => run(one, 2));
    expect(losses[1]![0]).toEqual(losses[0]![0]); // before the first step
    expect(weightsOf(like)).not.toEqual(weightsOf(judged));
  });

  test("is told from photos ever better by it, on the same photos", () => {
    const one = trainee({ weight: 1 });
    const losses = Array.from({ length: 30 }, () => one.step(0, 2e-3).map((loss) => loss.item()));
    expect(losses.at(-1)![4]).toBeLessThan(losses[0]![4]!);
  });
});
