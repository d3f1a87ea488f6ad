/** Engine that runs a step once per window, records it and replays it afterwards. */
import type { Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';
import { codesOnly } from '../logits.js';
import type { PickOptions } from '../logits.js';
import { whyNoDecodeKernels } from './decode-kernels.js';
import { eagerEngine, type Engine } from './eager.js';
import { kernelForward } from './kernels.js';
import { rowsFor, TokenMemory, type DrawOptions } from './token-memory.js';

/** Recorded work, which `run` replays. */
export interface RecordedStep {
  run(): void;
  dispose(): void;
  /** Reason the work is run eagerly instead of replayed; null or undefined if it is replayed. */
  readonly eagerReason?: string | null;
}

/** Records work, immediately or at its first run, without its side effects. */
export type StepRecorder = (work: () => void) => RecordedStep;

export interface TokenSamplerOptions extends DrawOptions {
  /** Number of rows sampled at once. */
  batch: number;
  /** Maximum number of positions, including embeddings and prefix. Default: the model's `blockSize`. */
  capacity?: number;
  /** Attention windows are multiples of this many positions, with one recording per window. Default 32. */
  bucket?: number;
  /** Recorder of steps. Default: CUDA graphs on CUDA. On other devices, or if null, steps run eagerly. */
  record?: StepRecorder | null;
  /**
   * Use the fused CUDA kernels instead of operators (batch size one, on CUDA). They round results in the same way but sum
   * in a different order; they are checked against the operators before the first step. Default: use them if available.
   * With `true`, `kernelFailure` holds the reason if they cannot be used.
   */
  kernels?: boolean;
}

export interface RecordedEngine extends Engine {
  /** Reason steps run with operators although kernels were requested; otherwise null. */
  readonly kernelFailure: string | null;
  /** Reason steps run eagerly although they should be recorded; null if they are replayed or not recorded yet. */
  readonly eagerReason: string | null;
  /** True if weight addresses and `nCodes` have not changed; otherwise a new engine is needed. */
  readonly fits: boolean;
  /** Clears the values written by a failed step, because NaN would pass through the mask. */
  clear(): void;
}

/**
 * Creates an engine that draws the first token with the prior's forward. Later steps use tensors of fixed address and
 * shape and keep the position on the device, so the host only launches work that can be recorded and replayed as a CUDA
 * graph. Query, key and value weights are copied at each `begin`; all others are the model's own, at the addresses they
 * had when the engine was created.
 *
 * @param kernelsOf function that creates the fused forward
 */
export function recordedEngine(
  prior: Prior,
  options: TokenSamplerOptions,
  kernelsOf = kernelForward,
): RecordedEngine {
  if (!hasCache(prior)) return wholeEngine(prior, options);
  const { batch, capacity = prior.blockSize, bucket = 32, kernels: wanted } = options;
  const pick = codesOnly(prior, options);
  const rows = rowsFor(batch, options);
  const cache = prior.createCache(rows, capacity);
  const { device } = cache.layer(0);
  const memory = new TokenMemory(prior, pick, { batch, room: capacity + 1, device });
  const eager = eagerEngine(prior, memory, cache);
  const { tokens, fed, peaks } = memory;
  // Index of the next input token, and its position in the sequence, which also counts prepended embeddings.
  const [at, position] = torch.keep([0, 0].map(() => torch.zeros([1], { dtype: 'int64', device }))) as [
    Tensor,
    Tensor,
  ];
  const qkv = torch.keep(torch.noGrad(() => torch.scope(() => prior.qkv())));
  const byKernels =
    (wanted ?? whyNoDecodeKernels(prior, rows) === null) ? kernelsOf(prior, cache, qkv) : null;
  const kernels = typeof byKernels === 'string' ? null : byKernels;
  const record = options.record === undefined ? recorderFor(device, options) : options.record;
  const recorded = new Map<number, RecordedStep>();
  const places = placesOf(prior);
  let start = 0;
  let before = 0;

  /** Copies the model's current query, key and value weights to the memory the recorded work reads. */
  const refresh = () =>
    torch.scope(() => {
      // Copy unconditionally: writes by a graph or through other handles to the same memory do not change the version.
      for (const [layer, { weight, bias }] of prior.qkv().entries()) {
        qkv[layer]!.weight.copy_(weight);
        if (bias) qkv[layer]!.bias!.copy_(bias);
      }
    });

  /** Returns the logits `[R, V]` of the token after `token` `[R, 1]`. */
  const logitsAfter = (token: Tensor, window: number): Tensor =>
    kernels?.run(token, position) ??
    prior.forward(token, { cache: cache.at(position, window, qkv) }).squeeze(1);

  /** Draws one token per row. Attention covers the first `window` positions of the cache; later ones are masked. */
  const step = (window: number): void =>
    torch.noGrad(() =>
      torch.scope(() => {
        const token = fed.indexSelect(1, at); // [R, 1]
        const logits = logitsAfter(token, window); // [R, V]
        const { next, peak } = memory.draw(logits, at.add_(1)); // [R, 1], [B, 1]
        fed.indexCopy_(1, at, next);
        peaks.indexCopy_(1, at, peak.double());
        position.add_(1);
      }),
    );

  /** Feeds the token at `place`: runs the step the first time a window is used, and replays its recording afterwards. */
  const next = (place: number): void => {
    const every = kernels ? capacity : bucket;
    const window = Math.min(capacity, (Math.floor(place / every) + 1) * every);
    const known = recorded.get(window);
    if (known) return known.run();
    const work = () => step(window);
    work();
    if (record) recorded.set(window, record(work));
  };

  const forget = () => {
    for (const one of recorded.values()) one.dispose();
    recorded.clear();
  };

  return {
    tokens,
    fed,
    peaks,
    // A recording holds addresses, so it must not read copies that are made for each call.
    products: record ? [] : [...qkv, ...productsOf(prior)],
    kernelFailure: typeof byKernels === 'string' ? byKernels : null,
    get eagerReason() {
      for (const { eagerReason } of recorded.values()) if (eagerReason) return eagerReason;
      return null;
    },
    get fits() {
      return placesOf(prior) === places;
    },
    begin(sequence) {
      const { seeded } = memory;
      eager.begin(sequence);
      if (memory.seeded !== seeded) forget(); // Another way to draw was recorded.
      start = sequence.prefix.shape[1]!;
      before = start + (sequence.embeddings?.shape[1] ?? 0);
      refresh();
    },
    draw(number) {
      if (number > start) return next(before + number - start - 1);
      eager.draw(number);
      at.fill_(start);
      position.fill_(before);
    },
    clear: () => cache.clear(),
    dispose() {
      forget();
      torch.dispose([at, position, qkv]);
      eager.dispose();
    },
  };
}

type CachingPrior = Prior & Required<Pick<Prior, 'createCache' | 'qkv'>>;

const hasCache = (prior: Prior): prior is CachingPrior =>
  prior.createCache !== undefined && prior.qkv !== undefined;

/** Creates an engine that gives a prior without a cache the whole sequence for each token. */
function wholeEngine(prior: Prior, options: TokenSamplerOptions): RecordedEngine {
  const { batch, capacity = prior.blockSize, kernels } = options;
  const places = placesOf(prior);
  const { device } = prior.parameters()[0]!;
  const room = { batch, room: capacity + 1, device };
  const reason = 'the model has no cache, or no qkv';
  const wanted = options.record === undefined ? device.startsWith('cuda') : options.record !== null;
  return {
    ...eagerEngine(prior, new TokenMemory(prior, codesOnly(prior, options), room), null),
    kernelFailure: kernels ? reason : null,
    eagerReason: wanted ? reason : null,
    get fits() {
      return placesOf(prior) === places;
    },
    clear() {},
  };
}

/** Returns the weights of a step's products, without those of query, key and value. */
function productsOf(prior: Prior): nn.Affine[] {
  const model = prior.decodeModel?.();
  if (!model) return [];
  return [...model.blocks.flatMap(({ proj, widen, narrow }) => [proj, widen, narrow]), model.head];
}

function recorderFor(device: torch.Device, { generator }: PickOptions): StepRecorder | null {
  if (!device.startsWith('cuda')) return null;
  return torch.cuda.graphRecorder({ device, ...(generator && { generators: [generator] }) });
}

/** Returns a key of the weights' addresses and types and of `nCodes`; it does not change if only values change. */
function placesOf(prior: Prior): string {
  const place = ({ storage, dtype, device, shape, strides }: Tensor) =>
    [storage.address, storage.offset, dtype, device, ...shape, ...strides].join(' ');
  return [prior.nCodes, ...prior.parameters().map(place)].join('\n');
}
