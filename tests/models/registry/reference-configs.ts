/** The ten configurations that the reference ships, in its structure: the `model` entries of its YAML files. */

/** A `model` entry. */
export interface ReferenceConfig {
  target: string;
  base_learning_rate: number;
  params: Record<string, unknown>;
}

const backbone = (channels: number) => ({
  double_z: false,
  z_channels: 256,
  resolution: 256,
  in_channels: channels,
  out_ch: channels,
  ch: 128,
  ch_mult: [1, 1, 2, 2, 4],
  num_res_blocks: 2,
  attn_resolutions: [16],
  dropout: 0.0,
});

const base_learning_rate = 4.5e-6;
const dummyLoss = { target: 'taming.modules.losses.DummyLoss' };

const vqgan = (channels: number, lossconfig: object, more: Record<string, unknown> = {}) => ({
  base_learning_rate,
  target: 'taming.models.vqgan.VQModel',
  params: { embed_dim: 256, n_embed: 1024, ddconfig: backbone(channels), lossconfig, ...more },
});

const adversarial = (disc_start: number, disc_weight = 0.8, channels = 3) => ({
  target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
  params: {
    disc_conditional: false,
    disc_in_channels: channels,
    disc_start,
    disc_weight,
    codebook_weight: 1.0,
  },
});

const segmentation = (labels: number): ReferenceConfig => ({
  ...vqgan(
    labels,
    { target: 'taming.modules.losses.segmentation.BCELossWithQuant', params: { codebook_weight: 1.0 } },
    { image_key: 'segmentation', n_labels: labels },
  ),
  target: 'taming.models.vqgan.VQSegmentationModel',
});

const gpt = (sizes: Record<string, number>) => ({
  target: 'taming.modules.transformer.mingpt.GPT',
  params: sizes,
});

const transformer = (params: Record<string, unknown>): ReferenceConfig => ({
  base_learning_rate,
  target: 'taming.models.cond_transformer.Net2NetTransformer',
  params,
});

const usualGpt = gpt({ vocab_size: 1024, block_size: 512, n_layer: 24, n_head: 16, n_embd: 1024 });
const frozen = ({ target, params }: ReferenceConfig) => ({ target, params });

const scenes = (layers: number, width: number) =>
  transformer({
    cond_stage_key: 'objects_bbox',
    transformer_config: gpt({
      vocab_size: 8192,
      block_size: 348,
      n_layer: layers,
      n_head: 16,
      n_embd: width,
      embd_pdrop: 0.1,
      resid_pdrop: 0.1,
      attn_pdrop: 0.1,
    }),
    first_stage_config: frozen(vqgan(3, dummyLoss, { n_embed: 8192 })),
    cond_stage_config: {
      target: 'taming.models.dummy_cond_stage.DummyCondStage',
      params: { conditional_key: 'objects_bbox' },
    },
  });

/** First stages, by the names of their files. */
export const firstStages: Readonly<Record<string, ReferenceConfig>> = {
  custom_vqgan: vqgan(3, adversarial(10000)),
  faceshq_vqgan: vqgan(3, adversarial(30001)),
  imagenet_vqgan: vqgan(3, adversarial(250001)),
  imagenetdepth_vqgan: vqgan(1, adversarial(50001, 0.75, 1), { image_key: 'depth' }),
  coco_cond_stage: segmentation(183),
  sflckr_cond_stage: segmentation(182),
};

/** Second stages, by the names of their files. */
export const secondStages: Readonly<Record<string, ReferenceConfig>> = {
  faceshq_transformer: transformer({
    cond_stage_key: 'coord',
    transformer_config: usualGpt,
    first_stage_config: frozen(vqgan(3, dummyLoss)),
    cond_stage_config: {
      target: 'taming.modules.misc.coord.CoordStage',
      params: { n_embed: 1024, down_factor: 16 },
    },
  }),
  drin_transformer: transformer({
    cond_stage_key: 'depth',
    transformer_config: usualGpt,
    first_stage_config: frozen(vqgan(3, dummyLoss)),
    cond_stage_config: frozen(vqgan(1, dummyLoss)),
  }),
  coco_scene_images_transformer: scenes(40, 1408),
  open_images_scene_images_transformer: scenes(36, 1536),
};
