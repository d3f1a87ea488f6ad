/** Which classes of the reference a configuration may name, with their parameters. */
import type * as nn from '../torch/nn/index.js';
import type { BackboneConfig } from './backbone.js';
import { CoordStage, DummyCondStage, Labelator, SOSProvider } from './conditioning.js';
import type { Stage } from './conditioning.js';
import {
  count,
  counts,
  flag,
  ids,
  integer,
  kept,
  lazyModel,
  model,
  natural,
  number,
  object,
  oneOf,
  optional,
  required,
  text,
} from './config-schema.js';
import type { Fields } from './config-schema.js';
import { NLayerDiscriminator } from './discriminator.js';
import { Net2NetTransformer } from './net2net.js';
import type { FirstStage } from './net2net.js';
import { LPIPS } from './perceptual.js';
import {
  AlternateParsingPermuter,
  IdentityPermuter,
  Permuter,
  RandomPermuter,
  SpiralInPermuter,
  SpiralOutPermuter,
  SubsamplePermuter,
  ZCurvePermuter,
} from './permuter.js';
import type { GridSize } from './permuter.js';
import { BCELoss, BCELossWithQuant, DummyLoss } from './segmentation-loss.js';
import { GPT } from './transformer.js';
import type { GPTConfig } from './gpt-config.js';
import { EMAVQ, GumbelVQ, VQModel } from './vqgan.js';
import { VQLPIPSWithDiscriminator } from './vqgan-loss.js';
import type { VQLPIPSWithDiscriminatorConfig } from './vqgan-loss.js';

/** A class that a configuration may name. */
export interface Target {
  readonly fields: Fields;
  /** Gets the checked parameters under their camelCase names, nested models built. */
  build(params: Record<string, unknown>): nn.Module;
}

const checkpoint: Fields = { ckpt_path: kept(), ignore_keys: kept(), monitor: kept() };

const ddconfig: Fields = {
  double_z: optional(flag),
  z_channels: required(count),
  resolution: required(count),
  in_channels: required(count),
  out_ch: required(count),
  ch: required(count),
  ch_mult: optional(counts),
  num_res_blocks: required(natural),
  attn_resolutions: required(counts),
  dropout: optional(number),
  resamp_with_conv: optional(flag),
  give_pre_end: optional(flag),
};

const firstStage: Fields = {
  ddconfig: required(object(ddconfig)),
  lossconfig: required(lazyModel()),
  n_embed: required(count),
  embed_dim: required(count),
  image_key: kept(),
  colorize_nlabels: optional(count),
  remap: optional(ids),
  ...checkpoint,
};

/** What every first stage is given. The loss stays a function: the model builds it when its turn comes. */
interface FirstStageParams {
  ddconfig: BackboneConfig;
  lossconfig: () => nn.Module;
  nEmbed: number;
  embedDim: number;
}

const vqModel: Fields = { ...firstStage, sane_index_shape: optional(flag) };

const lossFields: Fields = {
  disc_start: required(number),
  codebook_weight: optional(number),
  pixelloss_weight: optional(number),
  disc_num_layers: optional(count),
  disc_in_channels: optional(count),
  disc_factor: optional(number),
  disc_weight: optional(number),
  perceptual_weight: optional(number),
  use_actnorm: optional(flag),
  disc_conditional: optional(flag),
  disc_ndf: optional(count),
  disc_loss: optional(oneOf('hinge', 'vanilla')),
};

const gptFields: Fields = {
  vocab_size: required(count),
  block_size: required(count),
  n_layer: optional(count),
  n_head: optional(count),
  n_embd: optional(count),
  embd_pdrop: optional(number),
  resid_pdrop: optional(number),
  attn_pdrop: optional(number),
  n_unmasked: optional(integer),
};

// In the order in which the reference makes the parts, so that a seed gives the same weights.
const net2net: Fields = {
  first_stage_config: required(model()),
  cond_stage_config: required(model('__is_first_stage__', '__is_unconditional__')),
  permuter_config: optional(model()),
  transformer_config: required(model()),
  first_stage_key: optional(text),
  cond_stage_key: optional(text),
  downsample_cond_size: optional(integer),
  pkeep: optional(number),
  sos_token: optional(integer),
  unconditional: optional(flag),
  ...checkpoint,
};

const dummyLoss: Target = { fields: {}, build: () => new DummyLoss() };

interface Net2NetParams {
  firstStageConfig: FirstStage;
  condStageConfig: Stage | '__is_first_stage__' | '__is_unconditional__';
  permuterConfig?: Permuter;
  transformerConfig: GPT;
}

function buildNet2Net(params: Record<string, unknown>): Net2NetTransformer {
  const config = params as unknown as Net2NetParams;
  const { firstStageConfig: first, condStageConfig: condition, permuterConfig: permuter } = config;
  if (!(config.transformerConfig instanceof GPT)) throw new TypeError('transformer_config must name a GPT.');
  if (typeof first.encode !== 'function' || typeof first.decodeIndices !== 'function') {
    throw new TypeError('first_stage_config must name a first stage, such as taming.models.vqgan.VQModel.');
  }
  if (typeof condition !== 'string' && typeof condition.encode !== 'function') {
    throw new TypeError(
      'cond_stage_config must name a model that encodes a condition, such as a VQModel or a Labelator.',
    );
  }
  if (permuter !== undefined && !(permuter instanceof Permuter)) {
    throw new TypeError(
      'permuter_config must name a permuter, such as taming.modules.transformer.permuter.Identity.',
    );
  }
  return new Net2NetTransformer(params as unknown as ConstructorParameters<typeof Net2NetTransformer>[0]);
}

const gridFields: Fields = { H: required(count), W: required(count) };

function permuter(Class: new (grid: GridSize) => nn.Module): Target {
  return { fields: gridFields, build: (params) => new Class(params as unknown as GridSize) };
}

const permuters = 'taming.modules.transformer.permuter';
const vqgan = 'taming.models.vqgan';
const losses = 'taming.modules.losses';

/** Every known target by its dotted name in the reference. */
export const targets: ReadonlyMap<string, Target> = new Map<string, Target>([
  [
    `${vqgan}.VQModel`,
    {
      fields: vqModel,
      // The reference never passes its quantizer anything else, so that is how all published models were trained.
      build: (params) => new VQModel({ ...(params as unknown as FirstStageParams), legacy: true }),
    },
  ],
  [
    `${vqgan}.VQSegmentationModel`,
    {
      fields: { n_labels: required(count), ...vqModel },
      build: ({ nLabels, ...params }) =>
        new VQModel({
          ...(params as unknown as FirstStageParams),
          colorizeNlabels: nLabels as number,
          legacy: true,
        }),
    },
  ],
  [
    `${vqgan}.GumbelVQ`,
    {
      fields: { ...firstStage, temperature_scheduler_config: kept(), kl_weight: optional(number) },
      build: (params) => new GumbelVQ(params as unknown as FirstStageParams),
    },
  ],
  [
    `${vqgan}.EMAVQ`,
    {
      fields: { ...vqModel },
      build: (params) => new EMAVQ(params as unknown as FirstStageParams),
    },
  ],
  [
    `${losses}.vqperceptual.VQLPIPSWithDiscriminator`,
    {
      fields: lossFields,
      build: (params) => new VQLPIPSWithDiscriminator(params as unknown as VQLPIPSWithDiscriminatorConfig),
    },
  ],
  [`${losses}.DummyLoss`, dummyLoss],
  [`${losses}.vqperceptual.DummyLoss`, dummyLoss],
  [`${losses}.segmentation.BCELoss`, { fields: {}, build: () => new BCELoss() }],
  [
    `${losses}.segmentation.BCELossWithQuant`,
    { fields: { codebook_weight: optional(number) }, build: (params) => new BCELossWithQuant(params) },
  ],
  [
    `${losses}.lpips.LPIPS`,
    // The reference's default lets dropout act; here it must be asked for.
    { fields: { use_dropout: optional(flag) }, build: (params) => new LPIPS(params) },
  ],
  [
    'taming.modules.discriminator.model.NLayerDiscriminator',
    {
      fields: {
        input_nc: optional(count),
        ndf: optional(count),
        n_layers: optional(count),
        use_actnorm: optional(flag),
      },
      build: ({ inputNc, ...params }) =>
        new NLayerDiscriminator(
          inputNc === undefined ? params : { ...params, inChannels: inputNc as number },
        ),
    },
  ],
  ['taming.models.cond_transformer.Net2NetTransformer', { fields: net2net, build: buildNet2Net }],
  [
    'taming.modules.transformer.mingpt.GPT',
    { fields: gptFields, build: (params) => new GPT(params as unknown as GPTConfig) },
  ],
  [
    'taming.modules.misc.coord.CoordStage',
    {
      fields: { n_embed: required(count), down_factor: required(count) },
      build: (params) => new CoordStage(params as unknown as { nEmbed: number; downFactor: number }),
    },
  ],
  [
    'taming.modules.util.Labelator',
    {
      fields: { n_classes: required(count), quantize_interface: kept(flag) },
      build: (params) => new Labelator(params as unknown as { nClasses: number }),
    },
  ],
  [
    'taming.modules.util.SOSProvider',
    {
      fields: { sos_token: required(integer), quantize_interface: kept(flag) },
      build: (params) => new SOSProvider(params as unknown as { sosToken: number }),
    },
  ],
  [
    'taming.models.dummy_cond_stage.DummyCondStage',
    {
      fields: { conditional_key: required(text) },
      build: (params) => new DummyCondStage(params as unknown as { conditionalKey: string }),
    },
  ],
  [`${permuters}.Identity`, { fields: {}, build: () => new IdentityPermuter() }],
  [`${permuters}.Subsample`, permuter(SubsamplePermuter)],
  [`${permuters}.ZCurve`, permuter(ZCurvePermuter)],
  [`${permuters}.SpiralOut`, permuter(SpiralOutPermuter)],
  [`${permuters}.SpiralIn`, permuter(SpiralInPermuter)],
  [`${permuters}.Random`, permuter(RandomPermuter)],
  [`${permuters}.AlternateParsing`, permuter(AlternateParsingPermuter)],
]);

/** Classes of the reference that configurations name but that are no models here, with the reason. */
export const absentTargets: ReadonlyMap<string, string> = new Map([
  [
    `${vqgan}.VQNoDiscModel`,
    'it no longer ran in the reference either; use a VQModel and leave its discriminator off',
  ],
  ['taming.modules.transformer.mingpt.CodeGPT', 'its forward pass fails in the reference; use a GPT'],
  ['taming.modules.transformer.mingpt.DummyGPT', 'it is a stand-in without weights; use a GPT'],
  ['taming.lr_scheduler.LambdaWarmUpCosineScheduler', 'a scheduler is no model; it belongs to training'],
]);
