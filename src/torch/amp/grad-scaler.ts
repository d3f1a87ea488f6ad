import type { Device } from '../core/device.js';
import { callOperator } from '../core/dispatch.js';
import { ArgumentError } from '../core/errors.js';
import { groupBy } from '../core/group-by.js';
import { InThread } from '../core/in-thread.js';
import { dispose, keep, scope } from '../core/scope.js';
import type { Tensor } from '../core/tensor.js';
import { unrecorded } from '../core/unrecorded.js';
import { full, zeros } from '../creation.js';

export interface GradScalerOptions {
  /** Initial scale. Default 65536. */
  initScale?: number;
  /** Factor of the scale after `growthInterval` steps without overflow. Default 2. */
  growthFactor?: number;
  /** Factor of the scale after a step with infinities. Default 0.5. */
  backoffFactor?: number;
  /** Default 2000. */
  growthInterval?: number;
  /** False turns the scaler into a pass-through. Default true. */
  enabled?: boolean;
}

/** The part of an optimizer that the scaler uses. */
export interface Scalable {
  readonly paramGroups: readonly { params: readonly Tensor[] }[];
  step(): void;
  /** True if the optimizer leaves out a step by `foundInf`; see `optim.Adam`. */
  readonly skipsOnDevice?: boolean;
  foundInf?: Tensor | null;
}

/** State under torch.amp.GradScaler's names. */
export interface GradScalerState {
  scale: number;
  growth_factor: number;
  backoff_factor: number;
  growth_interval: number;
  _growth_tracker: number;
}

/** What is known of an optimizer since the last update. */
interface Unscaled {
  /** For each device: 1 if its gradients contained infinities or NaN, float32 []. */
  found: Tensor[];
  stepped: boolean;
}

/**
 * Scales losses so that float16 gradients do not underflow, and skips steps whose gradients overflowed
 * (Micikevicius et al., arXiv 1710.03740): `torch.amp.GradScaler` of PyTorch, with the same results. Parameters are
 * float32, and computed with in float16 by `torch.autocast` or as copies. With several optimizers, call `update` once,
 * after the steps of all of them.
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * const optimizer = new optim.Adam(layer.parameters(), { lr: 1e-3 });
 * const scaler = new torch.amp.GradScaler();
 * for (let i = 0; i < 10; i++) {
 *   optimizer.zeroGrad();
 *   const out = torch.autocast('cpu', { dtype: 'float16' }, () => layer.forward(torch.rand([4, 8])));
 *   scaler.scale(out.float().square().mean()).backward();
 *   scaler.unscale_(optimizer); // only to look at gradients, or to clip them
 *   nn.clipGradNorm_(layer.parameters(), 1);
 *   scaler.step(optimizer);
 *   scaler.update();
 * }
 * ```
 */
export class GradScaler extends InThread {
  readonly enabled: boolean;
  growthFactor: number;
  backoffFactor: number;
  growthInterval: number;
  #initScale: number;
  #initTracker = 0;
  #scale: Tensor | null = null;
  #tracker: Tensor | null = null;
  readonly #optimizers = new Map<Scalable, Unscaled>();

  constructor(options: GradScalerOptions = {}) {
    super('a scaler', 'send or write its stateDict()');
    const { initScale = 65536, growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000 } = options;
    if (!(growthFactor > 1))
      throw new ArgumentError(`GradScaler: growthFactor must be above 1, not ${growthFactor}`);
    if (!(backoffFactor < 1))
      throw new ArgumentError(`GradScaler: backoffFactor must be below 1, not ${backoffFactor}`);
    this.enabled = options.enabled ?? true;
    this.#initScale = initScale;
    this.growthFactor = growthFactor;
    this.backoffFactor = backoffFactor;
    this.growthInterval = growthInterval;
  }

  /** Returns the loss times the scale. */
  scale(loss: Tensor): Tensor {
    return this.enabled ? loss.mul(this.scaleOn(loss.device)) : loss;
  }

  /** Returns the scale on a device, float32 [], without waiting for it; the next `update` may overwrite the tensor. */
  scaleOn(device: Device): Tensor {
    if (!this.enabled) return full([], 1, { dtype: 'float32', device });
    if (this.#scale === null) {
      this.#scale = keep(full([], this.#initScale, { dtype: 'float32', device }));
      this.#tracker = keep(full([], this.#initTracker, { dtype: 'int32', device }));
    }
    return this.#scale.to(device);
  }

  /** Divides the optimizer's gradients by the scale; at most once between two updates. */
  unscale_(optimizer: Scalable): void {
    if (!this.enabled) return;
    const before = this.#optimizers.get(optimizer);
    if (before)
      throw new ArgumentError(
        before.stepped
          ? 'unscale_ was called after step(optimizer); call it before, or update() in between'
          : 'unscale_ was already called for this optimizer since the last update()',
      );
    if (this.#scale === null) throw new ArgumentError('call scale(loss).backward() before unscale_ and step');
    const scale = this.#scale;
    unrecorded(() => {
      const inverse = scale.double().reciprocal().float();
      const found = new Map<Device, Tensor>();
      const parameters = optimizer.paramGroups.flatMap(({ params }) => params);
      const gradients = parameters.map(({ grad }) => grad).filter((gradient) => gradient !== null);
      if (gradients.some(({ dtype }) => dtype === 'float16'))
        throw new ArgumentError(
          'a float16 parameter has a float16 gradient: keep parameters in float32 and compute in float16',
        );
      const batches = groupBy(gradients, ({ device, dtype }) => `${device} ${dtype}`);
      for (const [kind, batch] of batches) {
        const device = kind.split(' ')[0] as Device;
        if (!found.has(device)) found.set(device, zeros([], { dtype: 'float32', device }));
        const args = [batch, found.get(device), inverse.to(device)];
        callOperator('aten::_amp_foreach_non_finite_check_and_unscale_', '', args);
      }
      this.#optimizers.set(optimizer, { found: keep([...found.values()]), stepped: false });
    });
  }

  /**
   * Returns whether the gradients of an optimizer contained infinities or NaN when they were unscaled, float32 [],
   * without waiting for the device: 1 if they did. Until the next `update`.
   *
   * @throws ArgumentError if they were not unscaled, or there are none
   */
  foundInf(optimizer: Scalable): Tensor {
    if (!this.enabled) {
      const { device = 'cpu' } = optimizer.paramGroups[0]?.params[0] ?? {};
      return zeros([], { dtype: 'float32', device });
    }
    const [first, ...others] = this.#foundBy(optimizer);
    return others.reduce((sum, flag) => sum.maximum(flag.to(sum.device)), first!);
  }

  #foundBy(optimizer: Scalable): readonly Tensor[] {
    const unscaled = this.#optimizers.get(optimizer);
    if (!unscaled) throw new ArgumentError('call unscale_(optimizer) before foundInf');
    if (unscaled.found.length === 0)
      throw new ArgumentError('no parameter of the optimizer has a gradient; was backward called?');
    return unscaled.found;
  }

  /**
   * Unscales the gradients if that was not done, and steps unless one of them is infinite or NaN. Adam and AdamW leave
   * out the step by themselves on one device; other optimizers wait for it.
   *
   * @returns true if the optimizer stepped; null if it decides that on the device
   * @throws ArgumentError if it was called for this optimizer since the last update, or no parameter has a gradient
   */
  step(optimizer: Scalable): boolean | null {
    if (!this.enabled) {
      optimizer.step();
      return true;
    }
    if (this.#optimizers.get(optimizer)?.stepped)
      throw new ArgumentError('step was already called for this optimizer since the last update()');
    if (!this.#optimizers.has(optimizer)) this.unscale_(optimizer);
    const found = this.#foundBy(optimizer);
    this.#optimizers.get(optimizer)!.stepped = true;
    if (optimizer.skipsOnDevice && found.length === 1) {
      stepUnless(optimizer, found[0]!);
      return null;
    }
    const finite = found.every((flag) => flag.item() === 0);
    if (finite) optimizer.step();
    return finite;
  }

  /** Sets the scale for the next step: smaller after infinities, larger after enough steps without. */
  update(newScale?: number): void {
    if (!this.enabled) return;
    if (this.#scale === null) throw new ArgumentError('call scale(loss).backward() before update()');
    const scale = this.#scale;
    const found = [...this.#optimizers.values()].flatMap((unscaled) => unscaled.found);
    if (newScale !== undefined) {
      scale.fill_(newScale);
    } else {
      if (found.length === 0)
        throw new ArgumentError('call step(optimizer) before update(), which needs its check for infinities');
      scope(() => {
        const sum = zeros([], { dtype: 'float32', device: scale.device });
        for (const flag of found) sum.add_(flag.to(scale.device));
        const { growthFactor, backoffFactor, growthInterval } = this;
        const args = [scale, this.#tracker, sum, growthFactor, backoffFactor, growthInterval];
        callOperator('aten::_amp_update_scale_', '', args);
      });
    }
    this.forget();
  }

  /** Forgets which gradients were unscaled since the last update, as after a step that threw. */
  forget(): void {
    dispose([...this.#optimizers.values()].map(({ found }) => found));
    this.#optimizers.clear();
  }

  /** Returns the current scale; waits for the device. */
  getScale(): number {
    if (!this.enabled) return 1;
    return this.#scale?.item() ?? this.#initScale;
  }

  /** Returns the state in PyTorch's structure; waits for the device. */
  stateDict(): GradScalerState | Record<string, never> {
    if (!this.enabled) return {};
    return {
      scale: this.getScale(),
      growth_factor: this.growthFactor,
      backoff_factor: this.backoffFactor,
      growth_interval: this.growthInterval,
      _growth_tracker: this.#tracker?.item() ?? this.#initTracker,
    };
  }

  /** Loads a saved state. @throws ArgumentError for an empty one, saved by a disabled scaler */
  loadStateDict(state: GradScalerState): void {
    if (!this.enabled) return;
    if (typeof state.scale !== 'number')
      throw new ArgumentError("the saved state has no 'scale'; was it saved by a disabled GradScaler?");
    this.#initScale = state.scale;
    this.#initTracker = state._growth_tracker;
    this.growthFactor = state.growth_factor;
    this.backoffFactor = state.backoff_factor;
    this.growthInterval = state.growth_interval;
    this.#scale?.fill_(state.scale);
    this.#tracker?.fill_(state._growth_tracker);
  }

  /** Releases its tensors; otherwise the garbage collector does. The next use starts from the last loaded state. */
  dispose(): void {
    this.forget();
    dispose([this.#scale, this.#tracker]);
    this.#scale = this.#tracker = null;
  }
}

/** Steps unless the flag is 1, or the one that the optimizer heeds already. */
function stepUnless(optimizer: Scalable, found: Tensor): void {
  const own = optimizer.foundInf ?? null;
  scope(() => {
    optimizer.foundInf = own ? own.maximum(found) : found;
    try {
      optimizer.step();
    } finally {
      optimizer.foundInf = own;
    }
  });
}
