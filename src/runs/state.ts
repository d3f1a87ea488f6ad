/** Weights, optimizers and generators as stored in checkpoints. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadCheckpoint } from '../torch/io/index.js';
import { loadEntries } from '../torch/nn/state-dict.js';
import type { OptimizerState, SavedGroup } from '../torch/optim/index.js';
import type { GradScaler, GradScalerState } from '../torch/amp/index.js';
import * as torch from '../torch/index.js';
import { unrecorded } from '../torch/core/unrecorded.js';
import type { Tensor } from '../torch/index.js';
import { generatorStates, restoreGenerators } from './generators.js';
import { averageOf, type RunCheckpoint, type CheckpointState } from './checkpoint.js';

/** Optimizer interface that a run needs; every optimizer in `optim` implements it. */
export interface RunOptimizer {
  /** Groups of parameters and their settings. */
  readonly paramGroups: readonly { params: Tensor[]; lr: number }[];
  /** Returns the state of each parameter and the settings of each group, as PyTorch's optimizers do. */
  stateDict(): OptimizerState;
  /** Restores a state from `stateDict`. */
  loadStateDict(saved: OptimizerState): void;
}

/** State of a training that a checkpoint stores: weights, optimizers, position in the data. */
export interface TrainedState {
  /** Weights by key: float32 masters if the network itself has 16 bits. */
  model: ReadonlyMap<string, Tensor>;
  /** Optimizers by name, under which the checkpoint stores their state. */
  optimizers: Readonly<Record<string, RunOptimizer>>;
  /** Moving average of the trained weights, by the same keys; see `WeightAverage`. */
  average?: ReadonlyMap<string, Tensor> | undefined;
  /** Scaler of losses, of which the checkpoint stores the state. */
  scaler?: GradScaler | null | undefined;
  /** Position in the data: plain values, available as `checkpoint.state.data` in a resumed run. */
  data?: unknown;
}

/** Counts the parameter elements that optimizers train. */
export function countTrained(optimizers: TrainedState['optimizers']): number {
  return Object.values(optimizers)
    .flatMap(({ paramGroups }) => paramGroups.flatMap(({ params }) => params))
    .reduce((sum, parameter) => sum + parameter.numel(), 0);
}

/**
 * Returns the state besides the weights: `tensors` under `optimizer.index.name` and `random.device`, and the settings.
 */
export function optimizerState(
  optimizers: TrainedState['optimizers'],
  device: torch.Device,
): { tensors: Map<string, Tensor>; groups: Record<string, SavedGroup[]> } {
  const tensors = new Map<string, Tensor>();
  const groups: Record<string, SavedGroup[]> = {};
  for (const [name, optimizer] of Object.entries(optimizers)) {
    const { state, param_groups } = optimizer.stateDict();
    groups[name] = param_groups;
    for (const [index, entry] of Object.entries(state)) {
      for (const [key, tensor] of Object.entries(entry)) tensors.set(`${name}.${index}.${key}`, tensor);
    }
  }
  for (const [name, generator] of generatorStates(device)) tensors.set(name, generator);
  return { tensors, groups };
}

/** Restores a checkpoint into `trained` and into the default generators. */
export async function restoreState(
  { path, state }: RunCheckpoint & { state: CheckpointState },
  { model, optimizers, average, scaler }: TrainedState,
  { device, seed }: { device: torch.Device; seed: number },
): Promise<void> {
  using weights = await loadCheckpoint(join(path, 'model.safetensors'));
  loadEntries([...model], weights.tensors, true, 'the model of config.yaml');
  if (average) await restoreAverage(path, average, model);
  using others = await loadCheckpoint(join(path, 'optimizer.safetensors'));
  const { tensors } = others;
  const groups = state['optimizers'] as Record<string, SavedGroup[]>;
  if (state['scaler']) scaler?.loadStateDict(state['scaler'] as GradScalerState);
  torch.scope(() => {
    for (const [name, optimizer] of Object.entries(optimizers)) {
      const saved: OptimizerState = { state: {}, param_groups: groups[name]! };
      for (const key of tensors.keys()) {
        const [owner, index, entry] = key.split('.');
        if (owner !== name) continue;
        (saved.state[Number(index)] ??= {})[entry!] = tensors.get(key)!;
      }
      optimizer.loadStateDict(saved);
    }
    restoreGenerators(tensors, device, { seed, step: state.step });
  });
}

/** Restores the average; one that begins with the resumed run starts from its weights. */
async function restoreAverage(
  path: string,
  average: ReadonlyMap<string, Tensor>,
  model: ReadonlyMap<string, Tensor>,
): Promise<void> {
  const file = averageOf({ path });
  if (!existsSync(file)) {
    torch.noGrad(() => average.forEach((tensor, key) => void tensor.copy_(model.get(key)!)));
    return;
  }
  using averaged = await loadCheckpoint(file);
  loadEntries([...average], averaged.tensors, true, 'the model of config.yaml');
}

/**
 * Returns the key of the first tensor that holds NaN or infinity. Checks all of them with a single read from the
 * device.
 */
export function firstNonFinite(tensors: ReadonlyMap<string, Tensor>): string | null {
  return unrecorded(() => {
    const floating = [...tensors].filter(
      ([, tensor]) => tensor.dtype.includes('float') && tensor.numel() > 0,
    );
    const norms = torch.callOperator('aten::_foreach_norm', 'Scalar', [
      floating.map(([, tensor]) => tensor.detach()),
      torch.floatScalar(Infinity),
    ]) as Tensor[];
    const finite = torch.stack(norms.map((norm) => norm.isfinite())).tolist() as boolean[];
    return floating[finite.indexOf(false)]?.[0] ?? null;
  });
}
