/** Collective operations on many tensors, which travel in a few large pieces. */
import { ArgumentError } from '../core/errors.js';
import { groupBy } from '../core/group-by.js';
import { itemSize } from '../core/dtype.js';
import type { Tensor } from '../core/tensor.js';
import { unrecorded } from '../core/unrecorded.js';
import { cat } from '../operators/index.js';
import { allReduce, broadcast, type ReduceOp, type Work } from './collectives.js';

/** Size of a piece in bytes: PyTorch's for buckets. */
const PIECE = 25 * 2 ** 20;

/**
 * Overwrites tensors with their combination over all processes, as {@link allReduce} does with one; PyTorch's
 * `all_reduce_coalesced`. Their number, shapes and dtypes must be the same in all processes.
 *
 * @param options.op default `sum`
 * @throws DistBackendError if another process has ended, or does not take part within the timeout
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * model.forward(torch.randn([4, 8])).square().mean().backward();
 * torch.distributed.allReduceCoalesced(model.parameters().map((p) => p.grad!), { op: 'avg' });
 * ```
 */
export function allReduceCoalesced(tensors: readonly Tensor[], { op = 'sum' }: { op?: ReduceOp } = {}): void {
  inPieces(tensors, (piece) => allReduce(piece, { op, asyncOp: true }));
}

/**
 * Overwrites tensors in all processes with those of the process `src`, as {@link broadcast} does with one. Their number,
 * shapes and dtypes must be the same in all processes.
 *
 * @throws DistBackendError if another process has ended, or does not take part within the timeout
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * torch.distributed.broadcastCoalesced([...model.stateDict().values()], 0); // all processes start alike
 * ```
 */
export function broadcastCoalesced(tensors: readonly Tensor[], src: number): void {
  inPieces(tensors, (piece) => broadcast(piece, src, { asyncOp: true }));
}

/** Runs an operation on all pieces at the same time, and copies the results back. */
function inPieces(tensors: readonly Tensor[], start: (piece: Tensor) => Work): void {
  if (!Array.isArray(tensors)) throw new ArgumentError('a collective operation takes an array of tensors');
  unrecorded(() => {
    const running = piecesOf(tensors).map((members) => {
      const piece = cat(members.map((tensor) => tensor.detach().reshape([-1])));
      return { members, piece, work: start(piece) };
    });
    for (const { members, piece, work } of running) {
      work.wait();
      const parts = piece.splitWithSizes(members.map((tensor) => tensor.numel()));
      for (const [i, tensor] of members.entries()) tensor.copy_(parts[i]!.view(tensor.shape));
    }
  });
}

/** Groups tensors of one dtype and device, in order, until a group is large enough. */
function piecesOf(tensors: readonly Tensor[]): Tensor[][] {
  const kinds = groupBy(tensors, ({ dtype, device }) => `${dtype} ${device}`);
  return [...kinds.values()].flatMap((alike) => {
    const pieces: Tensor[][] = [[]];
    let bytes = 0;
    for (const tensor of alike) {
      if (bytes > PIECE) [bytes] = [0, pieces.push([])];
      pieces.at(-1)!.push(tensor);
      bytes += tensor.numel() * itemSize[tensor.dtype];
    }
    return pieces;
  });
}
