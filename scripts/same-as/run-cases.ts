/** Tiny runs of both stages. Paths are relative to the working folder of a checkout. */

export interface RunCase {
  name: string;
  stage: 'vqgan' | 'transformer';
  /** Content of the file for -c. */
  config: object;
}

export const STEPS = 6;
export const STOP = 3;

const training = {
  steps: STEPS,
  batchSize: 2,
  threads: 1,
  device: 'cpu',
  logEvery: 1,
  saveEvery: STOP,
  imagesEvery: STOP,
  keep: 5,
};

type Settings = Record<string, unknown>;

interface VqganCase {
  target?: string;
  params?: Settings;
  backbone?: Settings;
  loss?: Settings;
  data?: Settings;
  training?: Settings;
}

function vqgan(name: string, given: VqganCase): RunCase {
  const ddconfig = {
    ch: 32,
    ch_mult: [1, 1],
    num_res_blocks: 0,
    attn_resolutions: [],
    resolution: 16,
    in_channels: 3,
    out_ch: 3,
    z_channels: 8,
    double_z: false,
    ...given.backbone,
  };
  const lossconfig = {
    target: 'taming.modules.losses.vqperceptual.VQLPIPSWithDiscriminator',
    params: { disc_start: 0, disc_num_layers: 1, disc_ndf: 8, perceptual_weight: 0, ...given.loss },
  };
  const config = {
    model: {
      target: `taming.models.vqgan.${given.target ?? 'VQModel'}`,
      params: { n_embed: 16, embed_dim: 8, ddconfig, lossconfig, ...given.params },
    },
    data: { path: '../data/photos', size: 16, heldOut: 4, ...given.data },
    training: { ...training, ...given.training },
  };
  return { name, stage: 'vqgan', config };
}

function transformer(
  name: string,
  vqganRun: string,
  {
    params,
    gpt,
    data,
    training: more,
  }: { params?: Settings; gpt?: Settings; data?: Settings; training?: Settings },
): RunCase {
  const transformer_config = {
    target: 'taming.modules.transformer.mingpt.GPT',
    params: { vocab_size: 16, block_size: 64, n_layer: 1, n_head: 2, n_embd: 16, embd_pdrop: 0.1, ...gpt },
  };
  const config = {
    model: {
      target: 'taming.models.cond_transformer.Net2NetTransformer',
      params: { pkeep: 0.9, unconditional: true, transformer_config, ...params },
    },
    data: { path: '../data/photos', size: 16, heldOut: 4, ...data },
    training: { ...training, vqgan: `runs/${vqganRun}`, samples: 4, ...more },
  };
  return { name, stage: 'transformer', config };
}

const temperature_scheduler_config = {
  target: 'taming.lr_scheduler.LambdaWarmUpCosineScheduler',
  params: { warm_up_steps: 0, lr_start: 1, lr_max: 1, lr_min: 0.5, max_decay_steps: 4 },
};
const classes = {
  unconditional: false,
  cond_stage_config: { target: 'taming.modules.util.Labelator', params: { n_classes: 2 } },
};

/** The runs in order: second stages after the first stages that they name. */
export const runCases: readonly RunCase[] = [
  vqgan('float32', { training: { discriminatorFrom: 0.5 }, backbone: { dropout: 0.1 } }),
  vqgan('bfloat16', { training: { precision: 'bfloat16' } }),
  vqgan('channels-last', { training: { channelsLast: true }, backbone: { attn_resolutions: [8] } }),
  vqgan('reference-step', {
    training: { step: 'reference' },
    loss: { disc_loss: 'vanilla', disc_start: 2, codebook_weight: 0.7 },
  }),
  vqgan('actnorm', { loss: { use_actnorm: true, disc_num_layers: 2 }, backbone: { num_res_blocks: 1 } }),
  vqgan('gumbel', { target: 'GumbelVQ', params: { temperature_scheduler_config, kl_weight: 1e-3 } }),
  vqgan('ema', { target: 'EMAVQ' }),
  vqgan('lpips', { loss: { perceptual_weight: 1 }, training: { lpips: '../data/lpips.safetensors' } }),
  vqgan('class-folders', { data: { path: '../data/classes' }, training: { seed: 5 } }),
  vqgan('packed', {
    data: { path: '../data/packed', crop: 'center', flip: false },
    training: { warmup: 0.5 },
  }),
  vqgan('scenes', { data: { path: 'scenes', count: 12 }, training: { restartCodes: false } }),
  vqgan('grey', { backbone: { in_channels: 1, out_ch: 1 }, loss: { disc_in_channels: 1 } }),
  transformer('prior', 'float32', {}),
  transformer('prior-bfloat16', 'float32', { training: { precision: 'bfloat16' }, params: { pkeep: 1 } }),
  transformer('prior-gumbel', 'gumbel', {
    data: { flip: false },
    training: { views: 2 },
    gpt: { n_layer: 2 },
  }),
  transformer('prior-classes', 'class-folders', { params: classes, data: { path: '../data/classes' } }),
  transformer('prior-spiral', 'ema', {
    params: {
      permuter_config: { target: 'taming.modules.transformer.permuter.SpiralOut', params: { H: 8, W: 8 } },
      sos_token: 3,
    },
    training: { weightDecay: 0.1, topK: 5, finalLearningRate: 0.5 },
  }),
];
