/** Settings of a run: the sections `data` and `training` of its configuration, by stage. */
import {
  changeable,
  count,
  flag,
  flagged,
  integer,
  number,
  oneOf,
  optional,
  positive,
  probability,
  share,
  text,
  type Schema,
  type Settings,
} from '../config/schema.js';
import { dataSchema as imageSchema } from '../data/settings.js';
import {
  betas,
  device,
  interval,
  optimizer,
  parts,
  precisions,
  scheduleNames,
  shareOrSteps,
  threads,
} from './setting-kinds.js';

/** Stage of training: `vqgan` is the first, `transformer` the second. */
export type Stage = 'vqgan' | 'transformer';

export const dataSchema = {
  ...imageSchema,
  /** Policy if a resumed run's images have changed: refuse (`stop`, default) or continue with them (`accept`). */
  changed: changeable(optional(oneOf('stop', 'accept')())),
};

// In the order in which a configuration is printed.
const shared = {
  /**
   * Number of batches whose gradients a step averages: it needs the memory of one, and sees `batchSize` × `accumulate`
   * images. Default 1.
   */
  accumulate: count(1),
  /**
   * Keep only the inputs of the networks' blocks for backward, which computes the blocks a second time: less memory, the
   * same results. Default false.
   */
  activationCheckpointing: changeable(flag(false)),
  /**
   * Optimizer of `optim`, such as `SGD`, or `{ target: SGD, params: { momentum: 0.9 } }`. It takes `learningRate`, and
   * `betas` and `weightDecay` if it has them. Default: Adam, stage 2: AdamW.
   */
  optimizer: optional(optimizer()),
  /**
   * Largest norm of the gradients of each optimizer, to which they are scaled down together; the norm before it is
   * logged. Default: no limit.
   */
  clipNorm: changeable(optional(positive())),
  /**
   * Look for NaN and infinity in the losses and gradients of each step, name the first tensor and its step, and end the
   * run (`stop`), leave out such updates (`skip`), or return to the weights of the last checkpoint and go on with the
   * images that follow (`rollback`). Default: end if a loss is not finite when it is logged, or a weight when it is saved.
   */
  nonFinite: changeable(optional(oneOf('stop', 'skip', 'rollback')())),
  /**
   * Share that the moving average of the weights keeps at each step, such as 0.999; see `WeightAverage`. A run then
   * measures and draws with the average, and saves it next to the weights; commands and other runs take the average.
   * Default 0: none.
   */
  ema: changeable(probability(0)),
  /** Shape of the learning rate over the run; see `LearningRateShape`. Default linear. */
  schedule: changeable(oneOf(...scheduleNames)('linear')),
  /** Share of the run in which the learning rate rises; from 2 on, a number of steps. Default 0.02. */
  warmup: shareOrSteps(0.02),
  /**
   * Share of the run after which it falls; from 2 on, a number of steps. A cosine never falls before the learning rate
   * has risen. Default 0.4; with the schedule cosine 0.
   */
  decayFrom: shareOrSteps(0.4),
  /** Final learning rate, as a share of the peak. Default 0.05. */
  finalLearningRate: changeable(share(0.05)),
  /**
   * Precision of the networks: `bfloat16` and `float16` copies of float32 weights, or float32 weights under autocast
   * (`autocast-bfloat16`, `autocast-float16`). In float16 losses are scaled, as by `torch.amp.GradScaler`. `auto` times
   * float32 and 16 bits, and uses the faster one. Default float32.
   */
  precision: oneOf(...precisions, 'auto')('float32'),
  /** Device; `auto` uses CUDA if available. */
  device: changeable(device('auto')),
  /** Number of threads; `auto` uses the processors that are idle when the run starts. */
  threads: changeable(threads('auto')),
  /** CUDA: use deterministic algorithms where available, at some cost in speed. Default false. */
  deterministic: flag(false),
  /** Seed of the generators and of the order of the images. Default 1. */
  seed: integer(1),
  /** Interval of losses and held-out metrics. Default 10s. */
  logEvery: changeable(interval('10s')),
  /** Interval of image grids. Default 1m. */
  imagesEvery: changeable(interval('1m')),
  /** Draw image grids also after steps 1, 2, 4, 8, …, up to `imagesEvery` if that is in steps. Default false. */
  earlyImages: changeable(flag(false)),
  /** Write event files of TensorBoard: losses, metrics and images. Default false. */
  tensorboard: changeable(flag(false)),
  /** Write the losses and metrics of each logged step as a table, `metrics.csv`. Default false. */
  csv: changeable(flag(false)),
  /** Interval of checkpoints. Default 5m. */
  saveEvery: changeable(interval('5m')),
  /** Number of checkpoints to keep besides the best ones. Default 2. */
  keep: changeable(count(2)),
  /**
   * Metric of held-out data that says which checkpoint is the best: `psnr`, `ssim`, `used`, `perplexity`, of label maps
   * `pixelAccuracy`, `meanIou`; stage 2: `loss`. Default: the first of them that is measured.
   */
  best: changeable(optional(text())),
  /** Number of best checkpoints to keep. Default 1. */
  keepBest: changeable(count(1)),
  /**
   * Ends the run after this many evaluations without a better value of `best`. The evaluations are those of checkpoints,
   * every `saveEvery`. Default: no such end.
   */
  patience: changeable(optional(count())),
};

const end = {
  /** Length of the run in steps. It ends at `steps`, `minutes` or `epochs`, whichever comes first; one is required. */
  steps: changeable(optional(flagged('--steps <n>', 'end after this many steps', count()))),
  /** Length of the run in minutes; see `steps`. */
  minutes: changeable(optional(flagged('--minutes <m>', 'end after this many minutes', positive()))),
  /**
   * Length of the run in passes over the training images, or the codes of all their views (of token sets, one view of each
   * image); see `steps`.
   */
  epochs: changeable(
    optional(flagged('--epochs <n>', 'end after this many passes over the images', positive())),
  ),
  /** Weights to begin with: a checkpoint file of the model, or the folder of a run. See `LoadWeightsOptions.resize`. */
  from: optional(
    flagged('--from <weights>', 'begin with the weights of a checkpoint file, or of a run', text()),
  ),
  /**
   * Take the moving average of the weights from those runs that have one, of the runs that `from`, `vqgan` and `condition`
   * name; false: their trained weights. Default true.
   */
  useEma: flag(true),
  /** Take the best checkpoint of those runs instead of the newest. Default false. */
  useBest: flag(false),
};

const vqgan = {
  ...shared,
  /** Number of images per batch. Default 4, stage 2: 8. */
  batchSize: count(4),
  /** Peak learning rate. Default: `model.base_learning_rate` times the images per step, else 1e-4 (stage 2: 3e-4). */
  learningRate: changeable(positive(1e-4)),
  /** Stage 1: peak learning rate of the discriminator. Default: `learningRate`. */
  discriminatorLearningRate: changeable(optional(positive())),
  /** Betas of Adam. Default (0.5, 0.9), stage 2 (0.9, 0.95), as in the reference. */
  betas: betas([0.5, 0.9]),
  /** Stage 1: training step. Default one-pass, which computes the generator's forward once for both updates. */
  step: oneOf('one-pass', 'reference')('one-pass'),
  /** Stage 1 on CUDA: replay steps as a CUDA graph, if possible. Default false. */
  graph: flag(false),
  /** Stage 1: store images, activations and convolution weights in channels-last memory format. Default false. */
  channelsLast: flag(false),
  /**
   * Stage 1: share of the run before which the discriminator is off, in addition to the loss's disc_start. Default 0.
   */
  discriminatorFrom: share(0),
  /**
   * Stage 1: move unused codes onto latents every 50 steps in the first 60% of the run. Without effect if
   * the quantizer's codes cannot be moved, which the run reports. Default true.
   */
  restartCodes: flag(true),
  /**
   * Stage 1: count the codes that training images use, and log their perplexity and the number of dead codes, which no
   * image has used in this many steps; the run says if more than half have died. Default: not counted.
   */
  codeWindow: changeable(optional(count())),
  ...end,
  /** Stage 1: parts that keep their weights, without gradients and optimizer state: `encoder`, `quantizer`, or both. */
  freeze: optional(flagged('--freeze <parts>', 'keep these parts as they are: encoder, quantizer', parts())),
  /**
   * Stage 1: safetensors file with the reference's LPIPS weights, or `off`. Default: the file from `tessera-torch
   * setup`.
   */
  lpips: changeable(optional(text())),
};

const transformer = {
  ...shared,
  batchSize: count(8),
  learningRate: changeable(positive(3e-4)),
  betas: betas([0.9, 0.95]),
  /** Stage 2: weight decay of the linear layers. Default 0.01. */
  weightDecay: number(0.01),
  /**
   * Stage 2: probability of training an image without its condition, which sampling with classifier-free guidance needs:
   * 0.1 is usual. The model then has `null_token`, the id that stands for a dropped condition. Default 0.
   */
  conditionDropout: flagged(
    '--condition-dropout <p>',
    'probability of training without the condition, for guidance; default 0',
    probability(0),
  ),
  /**
   * Stage 2: crops to encode per image, each also mirrored if data.flip; 1 is the central crop, more are drawn as data.crop
   * says. Default 1. A token set has views of its own.
   */
  views: count(1),
  /** Stage 2: number of images in a grid of samples. Default 16. */
  samples: changeable(count(16)),
  /** Stage 2: number of most likely codes to sample from. Default 100. */
  topK: changeable(count(100)),
  ...end,
  /** Stage 2: run folder of the trained first stage, or a checkpoint file of the model in first_stage_config. */
  vqgan: optional(flagged('--vqgan <run>', 'run folder of the trained first stage', text())),
  /**
   * Stage 2: run folder of the VQGAN trained on the maps that are the condition, or a checkpoint file of the model in
   * cond_stage_config.
   */
  condition: optional(
    flagged('--condition <run>', "run folder of the VQGAN of the condition's maps", text()),
  ),
  /** Stage 2: file of the vectors that are the condition, .npy or .safetensors; see `readVectors`. Read once. */
  vectors: changeable(
    optional(flagged('--vectors <file>', "vectors of the images or classes, with '-c vectors'", text())),
  ),
};

const dataSchemas = {
  vqgan: dataSchema,
  transformer: {
    ...dataSchema,
    path: flagged(
      '--data <folder>',
      "images to train on, or tokens of them; default: the VQGAN's",
      dataSchema.path,
    ),
  },
} satisfies Record<Stage, Schema>;

/** Keys of `training` by stage. */
const trainingSchemas = { vqgan, transformer } satisfies Record<Stage, Schema>;

/** Returns the sections besides `model`, by stage. */
export const sectionsOf = (stage: Stage) => ({ data: dataSchemas[stage], training: trainingSchemas[stage] });

/** Settings of both stages; a run has only those of its stage. */
export type TrainingConfig = Settings<typeof vqgan & typeof transformer>;

/** Returns the choice of weights from the runs that a configuration names. */
export const usedOf = ({ useEma, useBest }: TrainingConfig): { ema?: false; checkpoint?: 'best' } => ({
  ...(!useEma && { ema: false }),
  ...(useBest && { checkpoint: 'best' }),
});

/** Returns the number of images per step. */
export const imagesPerStep = ({ batchSize, accumulate }: TrainingConfig): number => batchSize * accumulate;
