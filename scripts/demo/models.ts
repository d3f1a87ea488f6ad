// Configurations of the models that the synthesis demo trains.
import type { TaskName } from './options.js';

/** Side of the images in pixels, of their code grids, and of the block of pixels that is one code. */
export const size = 48;
export const side = 12;
export const stride = size / side;

/** Number of labels of a segmentation. */
export const labels = 9;

/** Two halvings; two channels for each group of the normalisation are the least that keep an image's mean colours. */
const ddconfig = {
  ch: 64,
  ch_mult: [1, 1, 1],
  num_res_blocks: 0,
  attn_resolutions: [],
  resolution: size,
  z_channels: 64,
  double_z: false,
};

/** L1 loss of pixels, without a discriminator: too little time for one. */
const pixels = {
  target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
  params: { disc_start: 0, disc_weight: 0.1, disc_num_layers: 1, disc_ndf: 8, perceptual_weight: 0 },
};
const labelLoss = { target: 'taming.modules.losses.segmentation.BCELossWithQuant' };

const vqganOf = (field: string, channels: number, codes: number) => ({
  target: channels === labels ? 'taming.models.vqgan.VQSegmentationModel' : 'taming.models.vqgan.VQModel',
  params: {
    n_embed: codes,
    embed_dim: 32,
    image_key: field,
    ...(channels === labels && { n_labels: labels }),
    ddconfig: { ...ddconfig, in_channels: channels, out_ch: channels },
    lossconfig: channels === labels ? labelLoss : pixels,
  },
});

const transformerFor = (condition: Record<string, unknown>) => ({
  target: 'taming.models.cond_transformer.Net2NetTransformer',
  params: {
    ...condition,
    pkeep: 1,
    transformer_config: {
      target: 'taming.modules.transformer.mingpt.GPT',
      params: { n_layer: 4, n_head: 4, n_embd: 128 },
    },
  },
});

const ofClass = {
  cond_stage_key: 'class_label',
  cond_stage_config: { target: 'taming.modules.util.Labelator' },
};
/** The VQGAN of images encodes the low resolution as well. */
const ofLowResolution = { cond_stage_key: 'lr', cond_stage_config: '__is_first_stage__' };
const layouts = {
  no_object_classes: 4,
  no_max_objects: 6,
  no_tokens: 256,
  encode_crop: false,
  use_group_parameter: false,
};
const ofLayout = {
  cond_stage_key: 'layout',
  cond_stage_config: { target: 'tessera.conditions.LayoutStage', params: layouts },
};

const vqganTraining = { batchSize: 8, learningRate: 1e-3, discriminatorFrom: 1, precision: 'auto' };
const gptTraining = { batchSize: 8, learningRate: 2e-3, topK: 256, vqgan: 'image' };
/** Conditions are dropped now and then, so that drawing can be guided. */
const guided = { ...gptTraining, conditionDropout: 0.1 };

/** Plan of a task: stage, model and settings. `vqgan` and `condition` name the tasks whose models it uses. */
export interface Plan {
  stage: 'vqgan' | 'transformer';
  model: object;
  training: { vqgan?: string; condition?: string } & Record<string, unknown>;
}

export const plans: Record<Exclude<TaskName, 'labeller' | 'panorama'>, Plan> = {
  image: { stage: 'vqgan', model: vqganOf('image', 3, 256), training: vqganTraining },
  segmentationMaps: {
    stage: 'vqgan',
    model: vqganOf('segmentation', labels, 128),
    training: vqganTraining,
  },
  depthMaps: { stage: 'vqgan', model: vqganOf('depth', 1, 128), training: vqganTraining },
  class: { stage: 'transformer', model: transformerFor(ofClass), training: guided },
  segmentation: {
    stage: 'transformer',
    model: transformerFor({}),
    training: { ...guided, condition: 'segmentationMaps' },
  },
  depth: { stage: 'transformer', model: transformerFor({}), training: { ...guided, condition: 'depthMaps' } },
  superResolution: {
    stage: 'transformer',
    model: transformerFor(ofLowResolution),
    training: gptTraining,
  },
  layout: { stage: 'transformer', model: transformerFor(ofLayout), training: gptTraining },
};
