import { arange, cat, nn, scope, type Tensor, zeros } from "@penumbra/torch";
import { ClipEncoder } from "./clip-encoder.ts";
import { withoutPositionIds } from "./clip-text.ts";
import {
  type ClipVisionConfig,
  type ClipVisionConfigInput,
  parseClipVisionConfig,
} from "./clip-vision-config.ts";
import type { RawConfig } from "./model-config.ts";
import { findNetwork, loadWeights } from "./network-folder.ts";

class Embeddings extends nn.Module {
  readonly classEmbedding: Tensor;
  readonly patchEmbedding: nn.Conv2d;
  readonly positionEmbedding: nn.Embedding;

  constructor(config: ClipVisionConfig) {
    super();
    const { hidden_size: size, patch_size: patch, image_size: edge, num_channels: channels } = config;
    this.classEmbedding = nn.parameter(nn.init.normal_(zeros([size]), 0, size ** -0.5));
    this.patchEmbedding = new nn.Conv2d(channels, size, patch, { stride: patch, bias: false });
    this.positionEmbedding = new nn.Embedding((edge / patch) ** 2 + 1, size);
  }

  forward(images: Tensor): Tensor {
    const patches = this.patchEmbedding.forward(images).flatten({ startDim: 2 }).transpose(1, 2); // [B, N, D]
    const token = this.classEmbedding.to(patches.dtype).expand([images.shape[0]!, 1, -1]);
    const count = this.positionEmbedding.numEmbeddings;
    const positions = this.positionEmbedding.forward(
      arange(count, { dtype: "int64", device: images.device }),
    );
    return cat([token, patches], { dim: 1 }).add(positions); // [B, 1 + N, D]
  }
}

class VisionModel extends nn.Module {
  readonly embeddings: Embeddings;
  /** The missing letters are the published name's. */
  readonly preLayrnorm: nn.LayerNorm;
  readonly encoder: ClipEncoder;
  readonly postLayernorm: nn.LayerNorm;

  constructor(config: ClipVisionConfig) {
    super();
    const { hidden_size: size, layer_norm_eps: eps } = config;
    this.embeddings = new Embeddings(config);
    this.preLayrnorm = new nn.LayerNorm(size, { eps });
    this.encoder = new ClipEncoder(config, { isCausal: false });
    this.postLayernorm = new nn.LayerNorm(size, { eps });
  }

  /** The last hidden states, before the norm of the class token. */
  forward(images: Tensor): Tensor {
    return this.encoder.forward(this.preLayrnorm.forward(this.embeddings.forward(images)));
  }
}

/** What CLIP's image encoder says of images. */
export interface ClipVisionOutput {
  /** [B, projection_dim], not normalised */
  readonly embeds: Tensor;
  /** [B, 1 + patches, hidden_size]: class token and patches, before the last norm */
  readonly hidden: Tensor;
}

/**
 * CLIP's image encoder (Radford et al. 2021), a vision transformer with the projection into the space that it shares
 * with the text encoder: transformers' CLIPVisionModelWithProjection with its parameter names.
 *
 * @example
 * const { embeds } = imageEncoder.forward(images); // [B, 3, 224, 224] -> [B, 768]
 */
export class CLIPVisionModelWithProjection extends nn.Module<[Tensor], ClipVisionOutput> {
  readonly visionModel: VisionModel;
  readonly visualProjection: nn.Linear;
  readonly config: ClipVisionConfig;

  /**
   * @param where file or other place that the configuration comes from, for errors
   * @throws ModelError naming every field that is wrong or not supported
   */
  constructor(config: ClipVisionConfigInput | RawConfig = {}, where?: string) {
    super();
    this.config = parseClipVisionConfig(config, where);
    this.visionModel = new VisionModel(this.config);
    const { hidden_size: size, projection_dim: embedding } = this.config;
    this.visualProjection = new nn.Linear(size, embedding, { bias: false });
  }

  /**
   * Reads a folder with config.json and weights, as transformers writes it.
   * @throws ModelError naming the file and what is wrong
   */
  static load(folder: string): CLIPVisionModelWithProjection {
    const { config, configFile, weightsFile } = findNetwork(folder);
    const vision = nn.init.skip(() => new CLIPVisionModelWithProjection(config, configFile));
    loadWeights(vision, weightsFile, withoutPositionIds);
    return vision;
  }

  /** @param images [B, 3, image_size, image_size], normalised as the model was trained */
  forward(images: Tensor): ClipVisionOutput {
    return scope(() => {
      const hidden = this.visionModel.forward(images);
      const token = this.visionModel.postLayernorm.forward(hidden.select(1, 0)); // [B, D]
      return { embeds: this.visualProjection.forward(token), hidden };
    });
  }
}
