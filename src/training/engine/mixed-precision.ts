import type { Precision } from '../../runs/setting-kinds.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';
import { averagedBy } from './data-parallel.js';
import type { FiniteCheck } from './finite-check.js';
import { GuardedOptimizer, type GuardableOptimizer } from './guarded-optimizer.js';
import { floatsTo, MasterWeights } from './precision.js';
import type { StepOptimizer } from './step-optimizer.js';
import type { WrappableOptimizer } from './wrapped-optimizer.js';

/** Parts of an optimizer for training steps. */
export interface Stepped {
  /** Parameters of the networks, whose masters the optimizer updates. */
  copies: readonly Tensor[];
  /** Their names. */
  names: readonly string[];
  optimizer: GuardableOptimizer;
  /** The optimizer, clipped or not. */
  clipped: WrappableOptimizer;
  check: FiniteCheck | null;
}

/**
 * Applies `training.precision` to networks, optimizers and losses: copies of weights in 16 bits with float32 masters, or
 * autocast; and for float16, one scaler of the losses.
 *
 * One scaler serves both optimizers of a first stage, as Lightning's does in the reference; but its scale changes once,
 * after both, as PyTorch's documentation asks for: gradients of both networks are pending when the first one steps.
 */
export class MixedPrecision {
  readonly masters: MasterWeights;
  /** Scaler of the losses; null if they are not scaled. */
  readonly scaler: torch.amp.GradScaler | null;
  readonly #precision: Precision;
  readonly #model: nn.Module;
  readonly #guarded: GuardedOptimizer[] = [];

  /** @param model is in training mode in training steps; autocast applies only then, so metrics are measured in float32 */
  constructor(precision: Precision, model: nn.Module) {
    this.#precision = precision;
    this.#model = model;
    const half = precision === 'float16' || precision === 'autocast-float16';
    this.masters = new MasterWeights([], half ? 'float16' : 'bfloat16');
    this.scaler = half ? new torch.amp.GradScaler() : null;
  }

  /** Lets networks compute in this precision; they take and give float32. */
  lower(...networks: nn.Module[]): void {
    for (const network of networks) {
      if (this.#precision === 'float32') return;
      if (this.#precision === 'bfloat16' || this.#precision === 'float16') this.masters.lower(network);
      else
        autocastForward(
          network,
          this.#model,
          this.#precision === 'autocast-float16' ? 'float16' : 'bfloat16',
        );
    }
  }

  /** Returns an optimizer for training steps: its gradients are gathered, averaged, unscaled, looked at and clipped. */
  stepper({ copies, names, optimizer, clipped, check }: Stepped): StepOptimizer {
    return this.masters.around(copies, averagedBy(this.#guard(names, optimizer, clipped, check), copies));
  }

  #guard(
    names: readonly string[],
    optimizer: GuardableOptimizer,
    inner: WrappableOptimizer,
    check: FiniteCheck | null,
  ): WrappableOptimizer {
    const { scaler } = this;
    if (check) return check.guard(optimizer, names, inner, scaler);
    if (!scaler) return inner;
    const guarded = new GuardedOptimizer(optimizer, { inner, scaler });
    this.#guarded.push(guarded);
    return guarded;
  }

  /** Takes a training step, after which the scale of the next one is set. */
  around<T>(step: () => T): T {
    try {
      const result = step();
      this.scaler?.update();
      return result;
    } catch (error) {
      this.scaler?.forget(); // A step that cannot be recorded as a graph is taken again.
      throw error;
    }
  }

  /** Returns the scale after a step, to be logged. */
  figures(device: torch.Device): { scale?: Tensor } {
    return this.scaler ? { scale: this.scaler.scaleOn(device).clone() } : {};
  }

  /** Releases its tensors, except masters; otherwise the garbage collector does. */
  dispose(): void {
    this.scaler?.dispose();
    for (const guarded of this.#guarded) guarded.dispose();
  }
}

/** Lets a network compute under autocast while the model is in training mode. */
function autocastForward(network: nn.Module, model: nn.Module, dtype: 'bfloat16' | 'float16'): void {
  const forward = network.forward as (...args: unknown[]) => unknown;
  const toFloat32 = floatsTo('float32');
  network.forward = (...args: unknown[]) => {
    const { device = 'cpu' } = args.find((value) => value instanceof torch.Tensor) ?? {};
    if (!model.training) return forward.apply(network, args);
    return torch.scope(() => {
      const output = torch.autocast(device, { dtype }, () => forward.apply(network, args));
      return Array.isArray(output) ? output.map(toFloat32) : toFloat32(output);
    });
  };
}
