/** Weights, optimizers and generators as checkpoints hold them. */
import { join } from 'node:path';
import { loadCheckpoint } from '../torch/io/index.js';
import { loadEntries } from '../torch/nn/state-dict.js';
import type { OptimizerState, SavedGroup } from '../torch/optim/index.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type { RunCheckpoint, CheckpointState } from './checkpoint.js';

/** What a run needs of an optimizer: any of `optim` has it. */
export interface RunOptimizer {
  /** Groups of parameters and their settings. */
  readonly paramGroups: readonly { params: Tensor[]; lr: number }[];
  /** Returns everything that is saved. */
  stateDict(): OptimizerState;
  /** Takes what was saved. */
  loadStateDict(saved: OptimizerState): void;
}

/** What a checkpoint holds of a training. */
export interface TrainedState {
  /** By key: float32 masters where the network itself is bfloat16. */
  model: ReadonlyMap<string, Tensor>;
  /** By name. */
  optimizers: Readonly<Record<string, RunOptimizer>>;
  /** Position in the data: plain values, which a resumed run finds in `checkpoint.state.data`. */
  data?: unknown;
}

/** Counts the numbers that optimizers train. */
export function countTrained(optimizers: TrainedState['optimizers']): number {
  return Object.values(optimizers)
    .flatMap(({ paramGroups }) => paramGroups.flatMap(({ params }) => params))
    .reduce((sum, parameter) => sum + parameter.numel(), 0);
}

/** Everything beside the weights: `tensors` under `optimizer.index.name` and `random.device`, and the settings. */
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
  for (const place of new Set(['cpu', device])) {
    tensors.set(`random.${place}`, torch.keep(torch.defaultGenerator(place).getState()));
  }
  return { tensors, groups };
}

/** Reads a checkpoint back into `trained`, and into the default generators. */
export async function restoreState(
  { path, state }: RunCheckpoint & { state: CheckpointState },
  { model, optimizers }: TrainedState,
  device: torch.Device,
): Promise<void> {
  await withCheckpoint(join(path, 'model.safetensors'), (tensors) => {
    loadEntries([...model], tensors, true, 'the model of config.yaml');
  });
  await withCheckpoint(join(path, 'optimizer.safetensors'), (tensors) => {
    const groups = state['optimizers'] as Record<string, SavedGroup[]>;
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
      for (const place of new Set(['cpu', device])) {
        const generator = tensors.get(`random.${place}`);
        if (generator) torch.defaultGenerator(place).setState(generator);
      }
    });
  });
}

async function withCheckpoint(
  path: string,
  use: (tensors: Awaited<ReturnType<typeof loadCheckpoint>>['tensors']) => void,
): Promise<void> {
  const checkpoint = await loadCheckpoint(path);
  try {
    use(checkpoint.tensors);
  } finally {
    checkpoint.close();
  }
}

/** The first tensor that holds NaN or infinity. All are checked in one reading of the device. */
export function firstNonFinite(tensors: ReadonlyMap<string, Tensor>): string | null {
  return torch.noGrad(() =>
    torch.scope(() => {
      const floating = [...tensors].filter(
        ([, tensor]) => tensor.dtype.includes('float') && tensor.numel() > 0,
      );
      const norms = torch.callOperator('aten::_foreach_norm', 'Scalar', [
        floating.map(([, tensor]) => tensor.detach()),
        torch.floatScalar(Infinity),
      ]) as Tensor[];
      const finite = torch.stack(norms.map((norm) => norm.isfinite())).tolist() as boolean[];
      return floating[finite.indexOf(false)]?.[0] ?? null;
    }),
  );
}
