import { groupBy } from '../core/group-by.js';
import { InThread } from '../core/in-thread.js';
import { unrecorded } from '../core/unrecorded.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';

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
}

/** State under torch.amp.GradScaler's names. */
export interface GradScalerState {
  scale: number;
  growth_factor: number;
  backoff_factor: number;
  growth_interval: number;
  _growth_tracker: number;
}

/**
 * Scales losses so that float16 gradients do not underflow, and skips steps whose gradients overflowed
 * (Micikevicius et al., arXiv 1710.03740):
 *
 *     scaler.scale(loss).backward();
 *     scaler.unscale_(optimizer);      // only to look at or clip gradients
 *     scaler.step(optimizer);
 *     scaler.update();
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
  /** For each optimizer and device: 1 if its gradients contained infinities or NaN when they were unscaled. */
  readonly #found = new Map<Scalable, Tensor[]>();

  constructor(options: GradScalerOptions = {}) {
    super('a scaler', 'send or write its stateDict()');
    const { initScale = 65536, growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000 } = options;
    if (!(growthFactor > 1))
      throw new torch.ArgumentError(`GradScaler: growthFactor must be above 1, not ${growthFactor}`);
    if (!(backoffFactor < 1))
      throw new torch.ArgumentError(`GradScaler: backoffFactor must be below 1, not ${backoffFactor}`);
    this.enabled = options.enabled ?? true;
    this.#initScale = initScale;
    this.growthFactor = growthFactor;
    this.backoffFactor = backoffFactor;
    this.growthInterval = growthInterval;
  }

  /** Returns the loss times the scale. */
  scale(loss: Tensor): Tensor {
    if (!this.enabled) return loss;
    this.#prepare(loss.device);
    return loss.mul((this.#scale as Tensor).to(loss.device));
  }

  #prepare(device: torch.Device): void {
    if (this.#scale !== null) return;
    this.#scale = torch.keep(torch.full([], this.#initScale, { dtype: 'float32', device }));
    this.#tracker = torch.keep(torch.full([], this.#initTracker, { dtype: 'int32', device }));
  }

  /** Divides the optimizer's gradients by the scale; at most once between two updates. */
  unscale_(optimizer: Scalable): void {
    if (!this.enabled) return;
    if (this.#found.has(optimizer))
      throw new torch.ArgumentError('unscale_ was already called for this optimizer since the last update()');
    if (this.#scale === null)
      throw new torch.ArgumentError('call scale(loss).backward() before unscale_ and step');
    const scale = this.#scale;
    unrecorded(() => {
      const inverse = scale.double().reciprocal().float();
      const found = new Map<torch.Device, Tensor>();
      const parameters = optimizer.paramGroups.flatMap(({ params }) => params);
      const gradients = parameters.map(({ grad }) => grad).filter((gradient) => gradient !== null);
      if (gradients.some(({ dtype }) => dtype === 'float16'))
        throw new torch.ArgumentError(
          'a float16 parameter has a float16 gradient: keep parameters in float32 and compute in float16',
        );
      const batches = groupBy(gradients, ({ device, dtype }) => `${device} ${dtype}`);
      for (const [kind, batch] of batches) {
        const device = kind.split(' ')[0] as torch.Device;
        if (!found.has(device)) found.set(device, torch.zeros([], { dtype: 'float32', device }));
        const args = [batch, found.get(device), inverse.to(device)];
        torch.callOperator('aten::_amp_foreach_non_finite_check_and_unscale_', '', args);
      }
      this.#found.set(optimizer, torch.keep([...found.values()]));
    });
  }

  /**
   * Unscales the gradients if that was not done, and steps unless one of them is infinite or NaN. Waits for the device.
   *
   * @returns true if the optimizer stepped
   */
  step(optimizer: Scalable): boolean {
    if (!this.enabled) {
      optimizer.step();
      return true;
    }
    if (!this.#found.has(optimizer)) this.unscale_(optimizer);
    const found = this.#found.get(optimizer) as Tensor[];
    if (found.length === 0)
      throw new torch.ArgumentError('no parameter of the optimizer has a gradient; was backward called?');
    const finite = found.every((flag) => flag.item() === 0);
    if (finite) optimizer.step();
    return finite;
  }

  /** Sets the scale for the next step: smaller after infinities, larger after enough steps without. */
  update(newScale?: number): void {
    if (!this.enabled) return;
    if (this.#scale === null) throw new torch.ArgumentError('call scale(loss).backward() before update()');
    const scale = this.#scale;
    const found = [...this.#found.values()].flat();
    if (newScale !== undefined) {
      scale.fill_(newScale);
    } else {
      if (found.length === 0)
        throw new torch.ArgumentError(
          'call step(optimizer) before update(), which needs its check for infinities',
        );
      torch.scope(() => {
        const sum = torch.zerosLike(scale);
        for (const flag of found) sum.add_(flag.to(scale.device));
        const { growthFactor, backoffFactor, growthInterval } = this;
        const args = [scale, this.#tracker, sum, growthFactor, backoffFactor, growthInterval];
        torch.callOperator('aten::_amp_update_scale_', '', args);
      });
    }
    torch.dispose(found);
    this.#found.clear();
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
      throw new torch.ArgumentError("the saved state has no 'scale'; was it saved by a disabled GradScaler?");
    this.#initScale = state.scale;
    this.#initTracker = state._growth_tracker;
    this.growthFactor = state.growth_factor;
    this.backoffFactor = state.backoff_factor;
    this.growthInterval = state.growth_interval;
    this.#scale?.fill_(state.scale);
    this.#tracker?.fill_(state._growth_tracker);
  }
}
