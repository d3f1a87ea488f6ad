/** The place of this process among those that train a run together. */
import { availableParallelism } from 'node:os';
import { VQLPIPSWithDiscriminator } from '../../models/losses/vqgan-loss.js';
import type { ModelConfig } from '../../models/registry/from-config.js';
import type { CheckpointState } from '../../runs/checkpoint.js';
import { RunError } from '../../runs/error.js';
import type { RunConfig } from '../../runs/config.js';
import { imagesPerStep } from '../../runs/settings.js';
import { precisions, type Precision } from '../../runs/setting-kinds.js';
import * as nn from '../../torch/nn/index.js';
import * as torch from '../../torch/index.js';
import { modelOfSection } from './model-section.js';

const { rank, worldSize } = torch.distributed;

/** Returns the number in an environment variable that launchers set, or its usual value. */
function variable(name: string, usual: number): number {
  const value = Number(process.env[name] ?? usual);
  return Number.isSafeInteger(value) && value >= 0 ? value : usual;
}

/** Returns the GPU of this process instead of the one that all of them would take: one for each on a machine. */
export function ownDevice(device: torch.Device): torch.Device {
  if (worldSize() === 1 || !device.startsWith('cuda')) return device;
  return `cuda:${variable('LOCAL_RANK', rank()) % torch.cuda.deviceCount()}`;
}

/** Returns the number of processors for each of the processes on this machine. */
export function ownProcessors(): number {
  const here = Math.max(1, variable('LOCAL_WORLD_SIZE', worldSize()));
  return Math.max(1, Math.floor(availableParallelism() / here));
}

/** Returns the choice of the first process, whose measurement counts for all. */
export function firstChoice(precision: Precision): Precision {
  if (worldSize() === 1) return precision;
  return torch.scope(() => {
    const choice = torch.tensor([precisions.indexOf(precision)]);
    torch.distributed.broadcast(choice, 0);
    return precisions[choice.item()]!;
  });
}

/**
 * Returns notes on a run in several processes, and on a resumed one whose number of processes has changed.
 *
 * @throws RunError for a setting that works in a single process only
 */
export function notesOnProcesses(
  { model, data, training }: RunConfig,
  state: CheckpointState | null,
): string[] {
  const now = worldSize();
  const before = (state?.['processes'] as number | undefined) ?? (state ? 1 : now);
  const alone = aloneSettings({ data, training });
  if (now > 1 && alone.length > 0) {
    throw new RunError(
      `${now} processes train this run, but ${alone.join(' and ')} ${alone.length === 1 ? 'works' : 'work'} in a single ` +
        'process only: leave it out, or train in one process',
    );
  }
  if (now > 1) checkPenalty(model, now);
  const images = imagesPerStep(training);
  const notes = now > 1 ? [`${now} processes train together: a step averages ${now} × ${images} images`] : [];
  if (now === before) return notes;
  return [
    ...notes,
    `the run continues in ${now} ${now === 1 ? 'process' : 'processes'} instead of ${before}: a step now averages ` +
      `${now * images} images instead of ${before * images}, from where the order of images had come to; ` +
      'training.learningRate is not changed',
  ];
}

/** Returns the settings of a configuration that work in a single process only. */
function aloneSettings({ data, training }: Pick<RunConfig, 'data' | 'training'>): string[] {
  const { graph, nonFinite, patience } = training;
  return Object.entries({
    'training.graph': graph,
    [`training.nonFinite=${nonFinite}`]: nonFinite === 'skip' || nonFinite === 'rollback',
    'training.patience': patience !== undefined,
    'data.buckets': data.buckets !== undefined,
  }).flatMap(([name, set]) => (set ? [name] : []));
}

/**
 * Throws for R1 of a discriminator with batch norm: the penalty's gradient is a second one through the norm, for which the
 * statistics of the other processes would be constants.
 */
function checkPenalty({ params }: ModelConfig, processes: number): void {
  const section = params?.['lossconfig'] as ModelConfig | undefined;
  if (!section?.params?.['r1_weight']) return;
  const loss = modelOfSection<nn.Module>(section, false, 'params.lossconfig');
  try {
    if (!(loss instanceof VQLPIPSWithDiscriminator) || !loss.r1) return;
    if (![...loss.discriminator.modules()].some(isBatchNorm)) return;
    throw new RunError(
      `${processes} processes train this run, but with batch norm in the discriminator R1 ` +
        '(model.params.lossconfig.params.r1_weight) works in a single process only: set use_actnorm: true, choose ' +
        'tessera.discriminators.MaskBit, leave out r1_weight, or train in one process',
    );
  } finally {
    torch.dispose([...loss.parameters(), ...loss.buffers()]);
  }
}

const isBatchNorm = (module: nn.Module): boolean =>
  module instanceof nn.BatchNorm1d || module instanceof nn.BatchNorm2d || module instanceof nn.BatchNorm3d;
