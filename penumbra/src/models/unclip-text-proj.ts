import { cat, nn, scope, type Tensor, zeros } from "@penumbra/torch";
import { z } from "zod";
import { parseConfig, type RawConfig } from "./model-config.ts";
import { findNetwork, loadWeights } from "./network-folder.ts";

const count = z.int().positive();

const Schema = z.object({
  clip_extra_context_tokens: count.default(4),
  clip_embeddings_dim: count.default(768),
  time_embed_dim: count,
  cross_attention_dim: count,
});

/** The complete configuration of a {@link UnCLIPTextProjModel}, by diffusers' names. */
export type UnclipTextProjConfig = z.output<typeof Schema>;
export type UnclipTextProjConfigInput = z.input<typeof Schema>;

/** What the decoder is told of an image that it is to draw. */
export interface DecoderConditions {
  /** [B, extra + L, cross_attention_dim] */
  readonly context: Tensor;
  /** [B, time_embed_dim]: added to the time embedding */
  readonly classLabels: Tensor;
}

/**
 * Puts embeddings of image and text into the form in which unCLIP's decoder takes them (Ramesh et al. 2022, section
 * 2.1), diffusers' UnCLIPTextProjModel with its parameter names: projected and added to the timestep's embedding, and
 * the image's as further tokens before the text's.
 */
export class UnCLIPTextProjModel extends nn.Module<
  [{ readonly imageEmbeds: Tensor; readonly textEmbeds: Tensor; readonly textHidden: Tensor }],
  DecoderConditions
> {
  /** Stands for an image's embedding where none is told, for guidance: [clip_embeddings_dim]. */
  readonly learnedClassifierFreeGuidanceEmbeddings: Tensor;
  readonly embeddingProj: nn.Linear;
  readonly clipImageEmbeddingsProjectToTimeEmbeddings: nn.Linear;
  readonly clipExtraContextTokensProj: nn.Linear;
  readonly encoderHiddenStatesProj: nn.Linear;
  readonly textEncoderHiddenStatesNorm: nn.LayerNorm;
  readonly config: UnclipTextProjConfig;

  /** @throws ModelError naming every field that is wrong or not supported */
  constructor(input: UnclipTextProjConfigInput | RawConfig, where = "UnCLIPTextProjModel") {
    super();
    const config = parseConfig(Schema, input, where, { known: Object.keys(Schema.shape) });
    this.config = config;
    const { clip_embeddings_dim: embedding, time_embed_dim: time, cross_attention_dim: context } = config;
    this.learnedClassifierFreeGuidanceEmbeddings = nn.parameter(zeros([embedding]));
    this.embeddingProj = new nn.Linear(embedding, time);
    this.clipImageEmbeddingsProjectToTimeEmbeddings = new nn.Linear(embedding, time);
    this.clipExtraContextTokensProj = new nn.Linear(embedding, config.clip_extra_context_tokens * context);
    this.encoderHiddenStatesProj = new nn.Linear(embedding, context);
    this.textEncoderHiddenStatesNorm = new nn.LayerNorm(context);
  }

  /**
   * Reads a folder with config.json and weights, as diffusers writes it.
   * @throws ModelError naming the file and what is wrong
   */
  static load(folder: string): UnCLIPTextProjModel {
    const { config, configFile, weightsFile } = findNetwork(folder);
    const projection = nn.init.skip(() => new UnCLIPTextProjModel(config, configFile));
    loadWeights(projection, weightsFile);
    return projection;
  }

  /** The embedding that stands for none, once for each of so many images: [B, clip_embeddings_dim]. */
  unconditional(images: number): Tensor {
    return this.learnedClassifierFreeGuidanceEmbeddings.unsqueeze(0).expand([images, -1]);
  }

  /** @param told.imageEmbeds, told.textEmbeds [B, D] @param told.textHidden [B, L, D] */
  forward({
    imageEmbeds,
    textEmbeds,
    textHidden,
  }: {
    readonly imageEmbeds: Tensor;
    readonly textEmbeds: Tensor;
    readonly textHidden: Tensor;
  }): DecoderConditions {
    return scope(() => {
      const { clip_extra_context_tokens: extra } = this.config;
      const ofImage = this.clipImageEmbeddingsProjectToTimeEmbeddings.forward(imageEmbeds);
      const classLabels = ofImage.add(this.embeddingProj.forward(textEmbeds));
      // The tokens lie across: number c e + k is number c of token k.
      const tokens = this.clipExtraContextTokensProj
        .forward(imageEmbeds)
        .unflatten(1, [-1, extra])
        .transpose(1, 2); // [B, extra, cross_attention_dim]
      const words = this.textEncoderHiddenStatesNorm.forward(
        this.encoderHiddenStatesProj.forward(textHidden),
      );
      return { context: cat([tokens, words], { dim: 1 }), classLabels };
    });
  }
}
