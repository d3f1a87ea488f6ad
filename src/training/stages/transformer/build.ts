/** The second stage's configuration, model, optimizer and step. */
import { existsSync, statSync } from 'node:fs';
import { modelFromConfig, type ModelConfig } from '../../../models/registry/from-config.js';
import { ignoreKeysOf, loadFrom } from '../../../models/weights/initial.js';
import type { Net2NetTransformer } from '../../../models/two-stage.js';
import { codesOfConfig } from '../../../models/autoencoder/stride.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { loadCheckpoint } from '../../../torch/io/index.js';
import type * as nn from '../../../torch/nn/index.js';
import type * as optim from '../../../torch/optim/index.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { withClasses } from './classes.js';
import { channelsOf, chosenDevice, type RunConfig } from '../../../runs/config.js';
import { checkFirstStage } from '../first-stage-check.js';
import { checkFile } from '../initial-weights.js';
import type { InitialWeights } from '../initial-weights.js';
import { openRun } from '../../../runs/open.js';
import { MasterWeights } from '../../engine/precision.js';
import { RunError } from '../../../runs/error.js';
import { readConfig } from '../../../runs/folder.js';
import { timeSteps, type Precision } from '../../session.js';
import { decayGroups, transformerLoss, transformerOptimizer } from './step.js';

type Params = Record<string, unknown>;
const dummyLoss: ModelConfig = { target: 'taming.modules.losses.DummyLoss' };

/** Completes the model section by the first stage, and by the sizes that follow from it. */
export async function adoptFirstStage(config: RunConfig): Promise<RunConfig> {
  const { model, data, training } = config;
  const params: Params = { ...model.params };
  let first = params['first_stage_config'] as ModelConfig | undefined;
  if (training.vqgan !== undefined && isRun(training.vqgan)) {
    const stored = await readConfig(training.vqgan);
    if (stored.stage !== 'vqgan') {
      throw new RunError(`training.vqgan: ${training.vqgan} is the run of a ${stored.stage}, not of a VQGAN`);
    }
    if (stored.data.size !== data.size) {
      throw new RunError(
        `data.size is ${data.size}, but the VQGAN in ${training.vqgan} was trained on ${stored.data.size} pixels: set data.size=${stored.data.size}`,
      );
    }
    first = stored.model;
  }
  checkFirstStageFile(training.vqgan, first);
  if (!first) {
    if (training.vqgan !== undefined) {
      throw new RunError(
        `training.vqgan: ${training.vqgan} is a checkpoint file, which does not say what model it is of; describe it in ` +
          'model.params.first_stage_config, as the reference does',
      );
    }
    throw new RunError(
      'a transformer is trained on the codes of a VQGAN: name its run in training.vqgan (--vqgan RUN)',
    );
  }
  const firstParams = { ...first.params, lossconfig: dummyLoss } as Params;
  params['first_stage_config'] = { ...first, params: firstParams };
  if (params['cond_stage_config'] === undefined && params['unconditional'] === undefined) {
    params['unconditional'] = true;
  }
  if (params['unconditional'] === true) params['cond_stage_config'] ??= '__is_unconditional__';
  const gpt = params['transformer_config'] as ModelConfig | undefined;
  if (gpt)
    params['transformer_config'] = {
      ...gpt,
      params: { ...sizes(firstParams, params, data.size), ...gpt.params },
    };
  return { ...config, data: { ...data, channels: channelsOf(first) }, model: { ...model, params } };
}

/** What a transformer over these codes needs at least. */
function sizes(first: Params, params: Params, size: number): { vocab_size: number; block_size: number } {
  const { nCodes, codesPerSide } = codesOfConfig(first);
  const condition = params['cond_stage_config'] as ModelConfig | string | undefined;
  const classes = typeof condition === 'object' ? ((condition.params?.['n_classes'] ?? 0) as number) : 0;
  const start = condition === '__is_unconditional__' ? ((params['sos_token'] ?? 0) as number) : 0;
  return { vocab_size: Math.max(nCodes, classes, start + 1), block_size: codesPerSide(size) ** 2 };
}

/** A file that is named for the first stage must be there before anything is written. */
function checkFirstStageFile(vqgan: string | undefined, first: ModelConfig | undefined): void {
  if (vqgan !== undefined) {
    if (existsSync(vqgan)) return;
    throw new RunError(
      `training.vqgan: there is no trained VQGAN at ${vqgan}; name its run (--vqgan RUN), or a file of its weights`,
    );
  }
  const path = first?.params?.['ckpt_path'];
  if (typeof path === 'string') checkFile(path, 'model.params.first_stage_config.params.ckpt_path');
}

const isRun = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/** Puts the trained weights into the model's first stage; says where they were found, unless they stood alone. */
export async function loadFirstStage(first: nn.Module, config: RunConfig): Promise<string | null> {
  const params = config.model.params?.['first_stage_config'] as { params: Params };
  const path = config.training.vqgan ?? (params.params['ckpt_path'] as string | undefined);
  if (path === undefined || !existsSync(path)) {
    throw new RunError(
      `there is no trained VQGAN at ${path ?? '(nothing named)'}; name its run in training.vqgan (--vqgan RUN)`,
    );
  }
  if (isRun(path)) {
    const { model } = await openRun(path, 'vqgan', 'cpu');
    first.loadStateDict(model.stateDict());
    torch.dispose([...model.parameters(), ...model.buffers()]);
    return null;
  }
  const checkpoint = await loadCheckpoint(path);
  try {
    const ignore = ['loss.', ...(config.training.vqgan === undefined ? ignoreKeysOf(params.params) : [])];
    // Which codes are used, the configuration says where weights from before a remap do not.
    const keys = [...checkpoint.tensors.keys()];
    if (!keys.some((key) => key.endsWith('quantize.used'))) ignore.push('quantize.used');
    const { prefix } = loadFrom(first, checkpoint.tensors, { ignore });
    return prefix === '' ? null : `the first stage's weights lie below "${prefix}" in ${path}`;
  } catch (cause) {
    throw new RunError(`${path} does not fit first_stage_config: ${(cause as Error).message}`, { cause });
  } finally {
    checkpoint.close();
  }
}

export interface TransformerParts {
  net: Net2NetTransformer;
  masters: MasterWeights;
  optimizer: optim.AdamW;
  /** One update on codes in reading order [B, L] after their condition [B, N]. */
  step(tokens: { z: Tensor; c: Tensor }): Tensor;
}

/**
 * Model and optimizer of a configuration. `init: false` leaves the weights for a checkpoint to fill; `begin` gets the
 * model before anything is made of its weights.
 */
export function buildTransformer(
  config: RunConfig,
  precision: Precision,
  device: torch.Device,
  init: boolean,
  begin: (net: Net2NetTransformer) => void = () => {},
): TransformerParts {
  const { learningRate: lr, betas, weightDecay } = config.training;
  const net = modelFromConfig<Net2NetTransformer>(config.model, { init }).to(device) as Net2NetTransformer;
  begin(net);
  const gpt = net.transformer;
  const groups = decayGroups(gpt);
  const copies = [...groups.decay, ...groups.noDecay].map(([, parameter]) => parameter);
  const masters = new MasterWeights(precision === 'bfloat16' ? [gpt] : []);
  const optimizer = transformerOptimizer(gpt, { lr, betas, weightDecay });
  for (const group of optimizer.paramGroups) group.params = masters.of(group.params);
  const stepper = masters.around(copies, optimizer);
  net.train();
  return {
    net,
    masters,
    optimizer,
    step: (tokens) => {
      stepper.zeroGrad();
      const loss = transformerLoss(net, { tokens });
      loss.backward();
      stepper.step();
      return loss.detach();
    },
  };
}

/** Finds mistakes in the model section, and in what it begins from, before anything is written. */
export function checkTransformer(config: RunConfig, initial: InitialWeights | null = null): void {
  // How many classes there are is not known before the pictures are opened.
  const { model } = withClasses(config, 1);
  const net = modelFromConfig<Net2NetTransformer>(model, { init: false });
  const { blockSize, vocabSize } = net.transformer;
  const params = config.model.params as Params;
  const needed = sizes((params['first_stage_config'] as { params: Params }).params, params, config.data.size);
  try {
    if (!net.unconditional && net.condition.field !== 'label') {
      throw new RunError(
        'this trainer feeds no condition, or class labels (taming.modules.util.Labelator); ' +
          'for others write a loop of your own on transformerStep',
      );
    }
    if (net.pkeep < 0) {
      throw new TypeError(
        `model.params.pkeep is the share of tokens that a step keeps, from 0 to 1; got ${net.pkeep}`,
      );
    }
    const first = net.firstStageModel;
    if (first instanceof FirstStage) checkFirstStage(first, config, 'model.params.first_stage_config');
    // With the number of classes open, so are the sizes.
    if (initial !== null && model === config.model) initial.fill(net);
    checkOrder(net, needed.block_size);
  } finally {
    torch.dispose([...net.parameters(), ...net.buffers()]);
  }
  for (const [name, value] of [
    ['vocab_size', vocabSize],
    ['block_size', blockSize],
  ] as const) {
    if (value < needed[name]) {
      throw new TypeError(
        `model.params.transformer_config.params.${name} is ${value}; pictures of ${config.data.size} pixels in the codes ` +
          `of this VQGAN need ${needed[name]}. Left out, it is filled in`,
      );
    }
  }
}

/** Throws for a reading order of another grid of codes than the pictures have. */
function checkOrder({ permuter }: Net2NetTransformer, codes: number): void {
  try {
    torch.scope(() => void permuter.forward(torch.zeros([1, codes], { dtype: 'int64' })));
  } catch (cause) {
    const side = Math.sqrt(codes);
    throw new TypeError(
      `model.params.permuter_config: ${(cause as Error).message} The pictures have ${side} × ${side} codes: set its H and W to ${side}`,
      { cause },
    );
  }
}

/** Milliseconds of a step, on a model of its own. */
export function timeTransformerStep(config: RunConfig, precision: Precision): number {
  const { batchSize } = config.training;
  const device = chosenDevice(config);
  const { net, masters, optimizer, step } = buildTransformer(config, precision, device, true);
  const { blockSize } = net.transformer;
  const zeros = (length: number) => torch.zeros([batchSize, length], { dtype: 'int64', device });
  const tokens = { z: zeros(blockSize), c: zeros(1) };
  const time = timeSteps(() => torch.scope(() => step(tokens).item()));
  optimizer.dispose();
  torch.dispose([tokens, masters.all(net)]);
  return time;
}
