import { nn, noGrad } from "@penumbra/torch";
import type { CLIPTextModel, UNet2DConditionModel } from "../../models/index.ts";

/**
 * Initial weights of a text encoder as transformers draws them for CLIP: tables normal with standard deviation
 * 0.02. (PyTorch's default of 1 would drown the words' differences and make learned words slow to move.)
 * Draws from the default generator.
 */
export function initialiseText(text: CLIPTextModel): void {
  for (const [name, parameter] of text.namedParameters()) {
    if (name.endsWith("embedding.weight")) nn.init.normal_(parameter, 0, 0.02);
  }
}

/**
 * Makes each residual branch of a UNet start as zero: the last layer of every block is filled with zeros
 * (Ho et al. 2020, appendix B; the reference implementation does so for `conv2`, attention output and `conv_out`).
 */
export function initialiseUnet(unet: UNet2DConditionModel): void {
  for (const [name, parameter] of unet.namedParameters()) {
    if (/(^|\.)(conv2|proj_out|conv_out)\.(weight|bias)$/.test(name)) noGrad(() => parameter.zero_());
  }
}
