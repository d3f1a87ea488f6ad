/** Operations in which all processes of the group take part, in the same order. */
import { handleOf } from '../core/arguments.js';
import { ArgumentError, DistBackendError } from '../core/errors.js';
import { keep, scope } from '../core/scope.js';
import type { Tensor } from '../core/tensor.js';
import { translated } from '../core/translated.js';
import { unrecorded } from '../core/unrecorded.js';
import { emptyLike } from '../operators/index.js';
import type { NativeWork } from '../native/distributed-binding.js';
import { native } from '../native/load.js';
import { putHandles } from '../native/wire.js';
import { groupFor, worldSize } from './group.js';

/** PyTorch's ReduceOp. */
export type ReduceOp = 'sum' | 'avg' | 'product' | 'min' | 'max';

/** libtorch's numbers of the operations; gloo has no average, which is a sum that is divided here. */
const REDUCE_OPS: Readonly<Record<ReduceOp, number>> = { sum: 0, avg: 0, product: 2, min: 3, max: 4 };

export interface CollectiveOptions {
  /** Return a {@link Work} at once instead of waiting. Default false. */
  asyncOp?: boolean;
}

/**
 * An operation that is running. `wait()` blocks the thread until it is done; `await work.promise()` lets JavaScript go
 * on meanwhile.
 * The tensors must be left alone until then. Operations may run at the same time, but all processes must start them in
 * the same order.
 *
 * @example
 * ```ts
 * const work = torch.distributed.allReduce(torch.ones([1024]), { asyncOp: true });
 * // … something else, then one of both:
 * work.wait();
 * await work.promise();
 * ```
 */
export class Work<T = void> {
  readonly #work: NativeWork;
  readonly #operator: string;
  readonly #finish: () => T;
  #result: { value: T } | null = null;

  /** @param finish called once when the operation is done; returns its result */
  constructor(work: NativeWork, operator: string, finish: () => T) {
    this.#work = work;
    this.#operator = operator;
    this.#finish = finish;
  }

  /** Blocks until the operation is done, and returns its result. @throws DistBackendError if it failed */
  wait(): T {
    translated(() => native.distributed.waitFor(this.#work), this.#operator);
    return this.#done();
  }

  /** Returns a promise of the result. @throws DistBackendError, as a rejection, if the operation failed */
  promise(): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      native.distributed.whenDone(this.#work, (failure) => {
        if (failure !== undefined)
          return reject(new DistBackendError(`${this.#operator}: ${failure}`, { operator: this.#operator }));
        try {
          resolve(this.#done());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #done(): T {
    this.#result ??= { value: this.#finish() };
    return this.#result.value;
  }
}

/** Starts an operation on a tensor that it overwrites, through a copy on the CPU unless it is there and contiguous. */
function overwriting(
  tensor: Tensor,
  operator: string,
  start: () => NativeWork,
  after: () => void = () => {},
): Work {
  handleOf(tensor, operator);
  const direct = tensor.device === 'cpu' && tensor.isContiguous();
  const dense = direct ? null : keep(unrecorded(() => tensor.detach().cpu().contiguous()));
  putHandles([(dense ?? tensor).handle], 0);
  const work = translated(start, operator);
  return new Work(work, operator, () => {
    unrecorded(() => {
      if (dense) tensor.copy_(dense);
      after();
    });
    dense?.dispose();
  });
}

/**
 * Combines a tensor of all processes, and overwrites it with the result in each; PyTorch's `all_reduce`. It is not
 * recorded by autograd.
 *
 * @param options.op default `sum`
 * @throws DistBackendError if another process has ended, or does not take part within the timeout
 *
 * @example
 * ```ts
 * const counts = torch.ones([1024]);
 * torch.distributed.allReduce(counts); // the sums over all processes
 * const loss = torch.rand([]);
 * torch.distributed.allReduce(loss, { op: 'avg' }); // the mean over all processes
 * ```
 */
export function allReduce(tensor: Tensor, options: { op?: ReduceOp; asyncOp: true }): Work;
export function allReduce(tensor: Tensor, options?: { op?: ReduceOp; asyncOp?: false }): void;
export function allReduce(
  tensor: Tensor,
  { op = 'sum', asyncOp = false }: { op?: ReduceOp } & CollectiveOptions = {},
): Work | void {
  const operator = 'distributed.allReduce';
  const code = REDUCE_OPS[op];
  if (code === undefined) {
    const known = Object.keys(REDUCE_OPS).join(', ');
    throw new ArgumentError(`${operator}: op must be one of ${known}, not '${String(op)}'`, { operator });
  }
  if (op === 'avg' && !/float|complex/.test(tensor.dtype))
    throw new ArgumentError(`${operator}: 'avg' needs a floating-point tensor, not ${tensor.dtype}`, {
      operator,
    });
  const group = groupFor(operator);
  const average = () => void (op === 'avg' && tensor.div_(worldSize()));
  const work = overwriting(tensor, operator, () => native.distributed.allReduce(group, code), average);
  return asyncOp ? work : work.wait();
}

/**
 * Overwrites a tensor in all processes with that of the process `src`; PyTorch's `broadcast`. Shapes and dtypes must be
 * the same everywhere.
 *
 * @throws DistBackendError if another process has ended, or does not take part within the timeout
 *
 * @example
 * ```ts
 * const weights = torch.randn([8]);
 * torch.distributed.broadcast(weights, 0); // those of process 0 in all processes
 * ```
 */
export function broadcast(tensor: Tensor, src: number, options: { asyncOp: true }): Work;
export function broadcast(tensor: Tensor, src: number, options?: { asyncOp?: false }): void;
export function broadcast(
  tensor: Tensor,
  src: number,
  { asyncOp = false }: CollectiveOptions = {},
): Work | void {
  const operator = 'distributed.broadcast';
  const group = groupFor(operator);
  if (!Number.isSafeInteger(src) || src < 0 || src >= worldSize())
    throw new ArgumentError(`${operator}: src must be a rank from 0 to ${worldSize() - 1}, not ${src}`, {
      operator,
    });
  const work = overwriting(tensor, operator, () => native.distributed.broadcast(group, src));
  return asyncOp ? work : work.wait();
}

/**
 * Returns the tensors of all processes in the order of their ranks; PyTorch's `all_gather`. Shapes and dtypes must be
 * the same everywhere. The caller owns the results.
 *
 * @throws DistBackendError if another process has ended, or does not take part within the timeout
 *
 * @example
 * ```ts
 * const own = torch.full([2], torch.distributed.rank());
 * const all = torch.distributed.allGather(own); // [0, 0], [1, 1], …
 * ```
 */
export function allGather(tensor: Tensor, options: { asyncOp: true }): Work<Tensor[]>;
export function allGather(tensor: Tensor, options?: { asyncOp?: false }): Tensor[];
export function allGather(
  tensor: Tensor,
  { asyncOp = false }: CollectiveOptions = {},
): Work<Tensor[]> | Tensor[] {
  const operator = 'distributed.allGather';
  const group = groupFor(operator);
  handleOf(tensor, operator);
  const { work, results } = scope(() => {
    const own = unrecorded(() => tensor.detach().cpu().contiguous());
    const results = Array.from({ length: worldSize() }, () => emptyLike(own));
    putHandles([own.handle, ...results.map(({ handle }) => handle)], 0);
    return { work: translated(() => native.distributed.allGather(group), operator), results };
  });
  const { device } = tensor;
  const running = new Work(work, operator, () =>
    device === 'cpu' ? results : results.map((x) => x.to(device)),
  );
  return asyncOp ? running : running.wait();
}

/**
 * Waits until all processes have called it; PyTorch's `barrier`. @throws DistBackendError as the others do
 *
 * @example
 * ```ts
 * if (torch.distributed.rank() === 0) await saveSafetensors('start.safetensors', { x: torch.randn([8]) });
 * torch.distributed.barrier(); // now all processes can read the file
 * ```
 */
export function barrier(options: { asyncOp: true }): Work;
export function barrier(options?: { asyncOp?: false }): void;
export function barrier({ asyncOp = false }: CollectiveOptions = {}): Work | void {
  const operator = 'distributed.barrier';
  const group = groupFor(operator);
  const work = new Work(
    translated(() => native.distributed.barrier(group), operator),
    operator,
    () => {},
  );
  return asyncOp ? work : work.wait();
}
