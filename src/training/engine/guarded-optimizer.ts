/** Optimizers that check their gradients before each step. */
import type { GradScaler } from '../../torch/amp/index.js';
import * as optim from '../../torch/optim/index.js';
import type { ParameterState } from '../../torch/optim/index.js';
import * as torch from '../../torch/index.js';
import { unrecorded } from '../../torch/core/unrecorded.js';
import type { Tensor } from '../../torch/index.js';
import { leastScale } from './loss-scale.js';
import type { StepOptimizer } from './step-optimizer.js';
import { WrappedOptimizer, type WrappableOptimizer } from './wrapped-optimizer.js';

/** Optimizer that can be guarded: one of `optim`, with its state. */
export interface GuardableOptimizer extends WrappableOptimizer {
  readonly state: ReadonlyMap<Tensor, ParameterState>;
}

/**
 * An optimizer for training steps that notes on the device, before each of its steps, which gradients are finite. With
 * `skip` it leaves out steps in which one is not, on the device as well: Adam and AdamW have a kernel for this; with other
 * optimizers the parameters and their state are copied before each step and restored. With `scaler` it unscales the
 * gradients first and leaves out steps whose scaled gradients overflowed; these count as finite, as the scale is lowered.
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * const optimizer = new GuardedOptimizer(new optim.Adam(layer.parameters()), { skip: true });
 * layer.forward(torch.full([1, 8], NaN)).sum().backward();
 * optimizer.step(); // changes nothing
 * console.log(optimizer.finite.tolist()); // [false, true]: the gradient of the weight, and of the bias
 *
 * // A step in float16, of a transformer:
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const masters = new MasterWeights([net.transformer], 'float16');
 * const scaler = new torch.amp.GradScaler();
 * const weights = net.transformer.parameters();
 * const inner = new GuardedOptimizer(new optim.AdamW(masters.of(weights), { lr: 1e-4 }), { scaler });
 * const images = torch.zeros([2, 3, 64, 64]);
 * transformerStep(net, masters.around(weights, inner), { x: images, c: images });
 * scaler.update();
 * ```
 */
export class GuardedOptimizer extends WrappedOptimizer<GuardableOptimizer> {
  /** True for each parameter whose gradient was finite at the last step, bool [parameters]; overwritten by the next. */
  readonly finite: Tensor;
  readonly #inner: StepOptimizer;
  readonly #skip: boolean;
  readonly #scaler: GradScaler | null;
  /** 1 if the step is to be left out, float32 []. */
  readonly #found: Tensor;
  /** Stands for gradients that are missing. */
  readonly #zero: Tensor;

  /**
   * @param options.inner the optimizer, clipped; default: as it is
   * @param options.skip leave out steps with NaN or infinity; default false
   * @param options.scaler scaler of the losses, whose `update` the caller calls after the step; default none
   */
  constructor(
    optimizer: GuardableOptimizer,
    {
      inner = optimizer,
      skip = false,
      scaler = null,
    }: { inner?: StepOptimizer; skip?: boolean; scaler?: GradScaler | null } = {},
  ) {
    super(optimizer, 'a guarded optimizer', 'make one in each thread');
    this.#inner = inner;
    this.#skip = skip;
    this.#scaler = scaler;
    const { device = 'cpu' } = this.parameters[0] ?? {};
    this.finite = torch.keep(torch.ones([this.parameters.length], { dtype: 'bool', device }));
    this.#found = torch.keep(torch.zeros([], { dtype: 'float32', device }));
    this.#zero = torch.keep(torch.zeros([], { dtype: 'float32', device }));
    if (this.#leavesOut && optimizer instanceof optim.Adam) optimizer.foundInf = this.#found;
  }

  override get scaler(): GradScaler | null {
    return this.#scaler;
  }

  get #leavesOut(): boolean {
    return this.#skip || this.#scaler !== null;
  }

  /** Notes which gradients are finite, and updates the parameters. Does not wait for the device. */
  step(): void {
    unrecorded(() => {
      this.#scaler?.unscale_(this.optimizer);
      const gradients = this.parameters.map(({ grad }) => grad ?? this.#zero);
      if (gradients.length === 0) return;
      this.finite.copy_(torch.stack(sizesOf(gradients)).isfinite());
      if (this.#skip) this.#found.copy_(this.finite.all().logicalNot());
      if (this.#scaler) this.#excuseOverflow(this.#scaler);
    });
    if (!this.#leavesOut || this.#skipsByKernel) this.#inner.step();
    else torch.scope(() => this.#stepAndPutBack());
  }

  #excuseOverflow(scaler: GradScaler): void {
    const overflowed = scaler.foundInf(this.optimizer);
    this.#found.copy_(this.#skip ? this.#found.maximum(overflowed) : overflowed);
    const canFall = scaler.scaleOn(overflowed.device).ge(leastScale);
    this.finite.logicalOr_(overflowed.bool().logicalAnd(canFall));
  }

  get #skipsByKernel(): boolean {
    const { foundInf = null, skipsOnDevice = false } = this.optimizer as Partial<optim.Adam>;
    return foundInf !== null && skipsOnDevice;
  }

  #stepAndPutBack(): void {
    const parameters = this.parameters.filter(({ grad }) => grad !== null);
    const { state } = this.optimizer;
    // The first step makes the state, which cannot be put back: the only step that waits for the device.
    if (parameters.some((parameter) => !state.has(parameter)) && this.#found.item() !== 0) return;
    const changed = parameters.flatMap((parameter) => [
      parameter,
      ...Object.values(state.get(parameter) ?? {}),
    ]);
    const before = torch.noGrad(() => changed.map((tensor) => tensor.detach().clone()));
    this.#inner.step();
    putBack(changed, before, this.#found.bool());
  }

  /** Releases its own tensors; otherwise the garbage collector does. */
  dispose(): void {
    if (this.optimizer instanceof optim.Adam) this.optimizer.foundInf = null;
    torch.dispose([this.finite, this.#found, this.#zero]);
  }
}

/** Gives tensors the values that they had before, where the flag, bool [], is true. */
export function putBack(tensors: readonly Tensor[], before: readonly Tensor[], flag: Tensor): void {
  torch.noGrad(() => {
    for (const [i, tensor] of tensors.entries())
      tensor.copy_(torch.where(flag.to(tensor.device), before[i]!, tensor));
  });
}

/** Returns a number for each tensor that is finite if, and only if, all of its elements are; but see the comment. */
function sizesOf(tensors: readonly Tensor[]): Tensor[] {
  // One kernel on a GPU. On the CPU, where the largest magnitude takes twenty times as long, the sum, which could also
  // overflow: for a gradient of 1e30 that is as good a reason.
  if (tensors[0]!.device === 'cpu') return tensors.map((tensor) => tensor.sum());
  return torch.callOperator('aten::_foreach_norm', 'Scalar', [
    tensors,
    torch.floatScalar(Infinity),
  ]) as Tensor[];
}
