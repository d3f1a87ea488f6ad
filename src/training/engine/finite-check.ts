/** Finds NaN and infinity in the losses and gradients of steps, without waiting for the device at each step. */
import type { GradScaler } from '../../torch/amp/index.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { GuardedOptimizer, putBack, type GuardableOptimizer } from './guarded-optimizer.js';
import { figuresOfGradients } from './loss-scale.js';
import type { StepOptimizer } from './step-optimizer.js';

/** Policy of a run for NaN and infinity. */
export type NonFinitePolicy = 'stop' | 'skip' | 'rollback';

/** Findings since the last report. */
export interface NonFiniteReport {
  /** The first tensor with NaN or infinity, and its step. */
  what: string;
  /** Number of steps with NaN or infinity. */
  count: number;
  /** Number of such steps without another in between, up to the last one. */
  inRow: number;
}

/** More than any position of a tensor in any step. */
const never = 2 ** 52;

/**
 * Records on the device the first NaN or infinity among the losses of steps and the gradients of guarded
 * optimizers. `report` reads the record, at the steps at which a run reads its losses.
 *
 * @example
 * ```ts
 * const layer = new nn.Linear(8, 2);
 * const check = new FiniteCheck('skip');
 * const names = layer.namedParameters().map(([name]) => name);
 * const optimizer = check.guard(new optim.Adam(layer.parameters()), names);
 * const losses = check.around(1, () => {
 *   const loss = layer.forward(torch.full([1, 8], NaN)).sum();
 *   loss.backward();
 *   optimizer.step();
 *   return { loss: loss.detach() };
 * });
 * console.log(losses, check.report()?.what); // the loss "loss" was NaN or infinite at step 1
 * ```
 */
export class FiniteCheck extends torch.InThread {
  /** Policy of the run for its findings. */
  readonly policy: NonFinitePolicy;
  readonly #guarded: { optimizer: GuardedOptimizer; names: readonly string[] }[] = [];
  #protected: readonly Tensor[] = [];
  #record: Found | null = null;

  constructor(policy: NonFinitePolicy) {
    super('a check of steps', 'make one in each thread');
    this.policy = policy;
  }

  /** Returns the check that a configuration asks for, or null. */
  static of({ nonFinite }: { nonFinite?: NonFinitePolicy }): FiniteCheck | null {
    return nonFinite === undefined ? null : new FiniteCheck(nonFinite);
  }

  /**
   * Returns an optimizer for training steps whose gradients are looked at.
   *
   * @param names names of its parameters, in the order of its groups
   * @param inner the optimizer, clipped; default: as it is
   * @param scaler scaler of the losses, if they are scaled; default null
   */
  guard(
    optimizer: GuardableOptimizer,
    names: readonly string[],
    inner: StepOptimizer = optimizer,
    scaler: GradScaler | null = null,
  ): GuardedOptimizer {
    const guarded = new GuardedOptimizer(optimizer, { inner, skip: this.policy === 'skip', scaler });
    this.#guarded.push({ optimizer: guarded, names });
    return guarded;
  }

  /** Names tensors that steps change besides optimizers, such as batch statistics: a skipped step puts them back. */
  protect(tensors: Iterable<Tensor>): void {
    this.#protected = [...tensors];
  }

  /** Takes a step, counted from 1, and records what is not finite in its losses and gradients. */
  around(step: number, take: () => Record<string, Tensor | number>): Record<string, Tensor | number> {
    const before =
      this.policy === 'skip'
        ? torch.noGrad(() => this.#protected.map((tensor) => tensor.detach().clone()))
        : [];
    const losses = take();
    torch.scope(() => torch.noGrad(() => this.#note(step, losses, before)));
    return losses;
  }

  #note(step: number, losses: Record<string, Tensor | number>, before: readonly Tensor[]): void {
    const scaled = this.#guarded.some(({ optimizer }) => optimizer.scaler !== null);
    const tensors = Object.entries(losses).filter(
      (entry): entry is [string, Tensor] =>
        typeof entry[1] !== 'number' && !(scaled && figuresOfGradients.includes(entry[0])),
    );
    const values = tensors.map(([, value]) => value.detach().to('float32'));
    const flags = this.#guarded.map(({ optimizer }) => optimizer.finite);
    const finite = torch.cat([...(values.length > 0 ? [torch.stack(values).isfinite()] : []), ...flags]);
    const record = (this.#record ??= newRecord(
      finite,
      tensors.map(([name]) => name),
    ));
    const count = record.positions.numel();
    const place = torch.where(finite, record.never, record.positions.add(step * count)).min();
    record.first.copy_(torch.minimum(record.first, place));
    const bad = place.ne(record.never);
    record.count.add_(bad);
    record.inRow.add_(1).mul_(bad);
    if (before.length > 0) putBack(this.#protected, before, bad);
  }

  /** Returns the findings since the last report, or null. Waits for the device. */
  report(): NonFiniteReport | null {
    const record = this.#record;
    if (!record) return null;
    const [first = 0, count = 0, inRow = 0] = torch.scope(
      () => torch.stack([record.first, record.count, record.inRow]).tolist() as number[],
    );
    if (count === 0) return null;
    torch.noGrad(() => {
      record.first.fill_(never);
      record.count.zero_();
    });
    const size = record.positions.numel();
    return {
      what: `${this.#nameOf(record, first % size)} at step ${Math.floor(first / size)}`,
      count,
      inRow,
    };
  }

  #nameOf({ losses }: Found, position: number): string {
    if (position < losses.length) return `the loss "${losses[position]!}" is NaN or infinite`;
    const name = this.#guarded.flatMap(({ names }) => names)[position - losses.length]!;
    return `the gradient of ${name} is NaN or infinite`;
  }

  /** Releases its tensors and those of its optimizers; otherwise the garbage collector does. */
  dispose(): void {
    for (const { optimizer } of this.#guarded) optimizer.dispose();
    if (!this.#record) return;
    const { first, count, inRow, positions, never: none } = this.#record;
    torch.dispose([first, count, inRow, positions, none]);
    this.#record = null;
  }
}

/** The record on the device: int64 [], except `positions`, int64 [losses and gradients]. */
interface Found {
  /** Names of the losses, whose positions come first. */
  losses: readonly string[];
  positions: Tensor;
  never: Tensor;
  /** Step × positions + position of the first tensor that is not finite. */
  first: Tensor;
  count: Tensor;
  inRow: Tensor;
}

function newRecord(finite: Tensor, losses: readonly string[]): Found {
  const how = { dtype: 'int64', device: finite.device } as const;
  const number = (value: number) => torch.keep(torch.full([], value, how));
  const positions = torch.keep(torch.arange(0, finite.numel(), how));
  return {
    losses,
    positions,
    never: number(never),
    first: number(never),
    count: number(0),
    inRow: number(0),
  };
}
