/** The engine that runs a step once for each window, records it, and replays it from then on. */
import type { Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { codesOnly, drawToken } from '../logits.js';
import type { PickOptions } from '../logits.js';
import { whyNoDecodeKernels } from './decode-kernels.js';
import { eagerEngine, type Engine } from './eager.js';
import { kernelForward } from './kernels.js';

/** Work that has been recorded: `run` repeats it. */
export interface RecordedStep {
  run(): void;
  dispose(): void;
  /** Why it runs as it is after all; null or absent where it is repeated. */
  readonly eagerReason?: string | null;
}

/** Records work, at once or at its first run, and without its effects. */
export type StepRecorder = (work: () => void) => RecordedStep;

export interface TokenSamplerOptions extends PickOptions {
  /** Rows sampled at once. */
  batch: number;
  /** Positions there is room for, embeddings and prefix included; default: the model's block. */
  capacity?: number;
  /** Attention looks at the next multiple of so many positions; there is one recording for each. Default 32. */
  bucket?: number;
  /** How to record a step; default: as a CUDA graph on CUDA, elsewhere and with null steps are run as they are. */
  record?: StepRecorder | null;
  /**
   * Run steps by kernels of our own instead of operators: for a batch of one, on CUDA. Their results are rounded alike, but
   * sums are taken in another order; they are compared with the operators' before the first step. Default: wherever they
   * can run. With `true`, `kernelFailure` says what keeps them from it.
   */
  kernels?: boolean;
}

export interface RecordedEngine extends Engine {
  /** Why steps are run by operators though kernels were asked for; else null. */
  readonly kernelFailure: string | null;
  /** Why steps are run as they are though they were to be recorded; null where they are repeated, or not yet recorded. */
  readonly eagerReason: string | null;
  /** Whether weights lie where they did, and as many ids are codes: if not, another engine has to be made. */
  readonly fits: boolean;
  /** Forgets what a failed step wrote: NaN would show through a mask. */
  clear(): void;
}

/**
 * Draws the first token by the prior's forward, and the others with every tensor at a fixed place and of a fixed shape, and
 * the position itself on the device: the host only launches work, so that it can be recorded and replayed as a CUDA graph.
 * Query, key and value weights are copies, taken at each `begin`; all others are the model's own, where they lay when the
 * engine was made.
 *
 * @param kernelsOf what makes the forward by kernels
 */
export function recordedEngine(
  prior: Prior,
  options: TokenSamplerOptions,
  kernelsOf = kernelForward,
): RecordedEngine {
  const { batch, capacity = prior.blockSize, bucket = 32, kernels: wanted } = options;
  const pick = codesOnly(prior, options);
  const cache = prior.createCache(batch, capacity);
  const { device } = cache.layer(0);
  const eager = eagerEngine(prior, { ...pick, batch, room: capacity + 1, device, cache });
  const { tokens, peaks } = eager;
  // Index of the token fed next, and its position in the sequence, which embeddings may precede.
  const [at, position] = torch.keep([0, 0].map(() => torch.zeros([1], { dtype: 'int64', device }))) as [
    Tensor,
    Tensor,
  ];
  const qkv = torch.keep(torch.noGrad(() => torch.scope(() => prior.qkv())));
  const byKernels =
    (wanted ?? whyNoDecodeKernels(prior, batch) === null) ? kernelsOf(prior, cache, qkv) : null;
  const kernels = typeof byKernels === 'string' ? null : byKernels;
  const record = options.record === undefined ? recorderFor(device, options) : options.record;
  const recorded = new Map<number, RecordedStep>();
  const places = placesOf(prior);
  let start = 0;
  let before = 0;

  /** Takes the model's present query, key and value weights, to where the recorded work reads them. */
  const refresh = () =>
    torch.scope(() => {
      // Always: weights that a graph, or other handles on the same memory, write to keep their version.
      for (const [layer, { weight, bias }] of prior.qkv().entries()) {
        qkv[layer]!.weight.copy_(weight);
        if (bias) qkv[layer]!.bias!.copy_(bias);
      }
    });

  /** Token `[B, 1]` → logits of the next `[B, V]`. */
  const logitsAfter = (token: Tensor, window: number): Tensor =>
    kernels?.run(token, position) ??
    prior.forward(token, { cache: cache.at(position, window, qkv) }).squeeze(1);

  /** One token for each row. Attention looks at the first `window` positions of the cache, of which the later are hidden. */
  const step = (window: number): void =>
    torch.noGrad(() =>
      torch.scope(() => {
        const token = tokens.indexSelect(1, at); // [B, 1]
        const { token: next, peak } = drawToken(logitsAfter(token, window), pick); // [B, 1]
        tokens.indexCopy_(1, at.add_(1), next);
        peaks.indexCopy_(1, at, peak.double());
        position.add_(1);
      }),
    );

  /** Feeds the token at a place: by running the step the first time in a window, from its recording afterwards. */
  const next = (place: number): void => {
    const every = kernels ? capacity : bucket;
    const window = Math.min(capacity, (Math.floor(place / every) + 1) * every);
    const known = recorded.get(window);
    if (known) return known.run();
    const work = () => step(window);
    work();
    if (record) recorded.set(window, record(work));
  };

  return {
    tokens,
    peaks,
    kernelFailure: typeof byKernels === 'string' ? byKernels : null,
    get eagerReason() {
      for (const { eagerReason } of recorded.values()) if (eagerReason) return eagerReason;
      return null;
    },
    get fits() {
      return placesOf(prior) === places;
    },
    begin(prefix, embeddings) {
      eager.begin(prefix, embeddings);
      start = prefix.shape[1]!;
      before = start + (embeddings?.shape[1] ?? 0);
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
      for (const one of recorded.values()) one.dispose();
      recorded.clear();
      torch.dispose([at, position, qkv]);
      eager.dispose();
    },
  };
}

function recorderFor(device: torch.Device, { generator }: PickOptions): StepRecorder | null {
  if (!device.startsWith('cuda')) return null;
  return torch.cuda.graphRecorder({ device, ...(generator && { generators: [generator] }) });
}

/** Where a model's weights lie, as what, and what is drawn: the same as long as nothing but values changes. */
function placesOf(prior: Prior): string {
  const place = ({ storage, dtype, device, shape, strides }: Tensor) =>
    [storage.address, storage.offset, dtype, device, ...shape, ...strides].join(' ');
  return [prior.nCodes, ...prior.parameters().map(place)].join('\n');
}
