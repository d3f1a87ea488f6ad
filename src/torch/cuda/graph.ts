import { InThread } from '../core/in-thread.js';
import { dirname, join } from 'node:path';
import { ArgumentError } from '../core/errors.js';
import type { Device } from '../core/device.js';
import type { NativeGraph } from '../native/cuda-binding.js';
import { locateAddon } from '../../setup/addon-path.js';
import { libtorch } from '../native/load.js';
import type { Generator } from '../core/random.js';
import { noGrad } from '../core/autograd.js';
import { dispose, keep, scope, tensorsIn } from '../core/scope.js';
import type { Tensor } from '../core/tensor.js';
import { onCuda, synchronize, undoOnCuda } from './device.js';
import { emptyCache } from './memory.js';
import { currentStream, Stream, withStream } from './stream.js';

export interface GraphOptions {
  /**
   * How many calls run normally before the work is recorded; default 3. cuDNN chooses its algorithms in the meantime.
   */
  warmUp?: number;
  /** Generators other than the device's default that `fn` draws from. */
  generators?: readonly Generator[];
  /** Another graph to share memory with; the two must never run at the same time. */
  sharing?: Graph<unknown>;
  /** The device that holds the inputs; default `cuda`, the current one. */
  device?: Device;
}

let unavailable: string | null | undefined;

/** Returns the reason why graphs cannot be captured here; null if they can. */
export function whyNoGraphs(): string | null {
  return (unavailable ??= reasonOf(() =>
    onCuda((cuda) => cuda.openGraphs(join(dirname(locateAddon()), 'tessera_graph.so'), libtorch.version)),
  ));
}

function reasonOf(attempt: () => unknown): string | null {
  try {
    attempt();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Records the work that a function does on the device and repeats it as one launch: a step of many small kernels then
 * costs only the kernels.
 *
 * Each `run` has the effect of a call of `fn`. The first runs do call it; the next one records it; from then on
 * JavaScript in `fn` no longer runs, so its numbers are frozen: a learning rate or a counter that changes must be a
 * tensor. `fn` must not read from the device (`item()`) or change shapes. If it cannot be recorded, every run calls
 * `fn`, and `eagerReason` holds the reason. Random numbers continue as they would without a graph.
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2).to('cuda');
 * using step = new torch.cuda.Graph((x: Tensor) => torch.noGrad(() => model.forward(x)));
 * for (let i = 0; i < 10; i++) step.run(torch.randn([4, 8], { device: 'cuda' })); // from the fourth on one launch
 * ```
 */
export class Graph<Result> extends InThread {
  readonly #fn: (...inputs: Tensor[]) => Result;
  readonly #options: GraphOptions;
  #runs = 0;
  #inputs: Tensor[] | null = null;
  #stream: Stream | null = null;
  #graph: NativeGraph | null = null;
  #result: Result | undefined;

  /** The reason why `run` calls the function itself; null if it is, or will be, recorded. */
  eagerReason: string | null;

  constructor(fn: (...inputs: Tensor[]) => Result, options: GraphOptions = {}) {
    super('a graph', 'record one in each thread');
    this.#fn = fn;
    this.#options = options;
    this.eagerReason = whyNoGraphs();
  }

  /** True if the work has been recorded. */
  get captured(): boolean {
    return this.#graph !== null;
  }

  /**
   * Runs the work on these inputs, which have the same shapes and dtypes each time. @returns what `fn` returned; once
   * recorded, always the same tensors, which the next run overwrites
   */
  run(...inputs: Tensor[]): Result {
    if (this.eagerReason !== null) return this.#fn(...inputs);
    this.#hold(inputs);
    if (this.#runs++ < (this.#options.warmUp ?? 3)) return this.#runAside();
    if (!this.#graph) this.#capture();
    if (!this.#graph) return this.#fn(...this.#inputs!);
    const graph = this.#graph;
    onCuda((cuda) => cuda.replayGraph(graph));
    return this.#result as Result;
  }

  /** Copies the inputs to the tensors that the recorded work reads. */
  #hold(inputs: readonly Tensor[]): void {
    const { device = 'cuda' } = this.#options;
    this.#inputs ??= inputs.map((input) => keep(noGrad(() => input.detach().to(device, { copy: true }))));
    if (inputs.length !== this.#inputs.length) {
      throw new ArgumentError(`the graph takes ${this.#inputs.length} inputs, not ${inputs.length}`);
    }
    for (const [i, held] of this.#inputs.entries()) copyInto(held, inputs[i]!);
  }

  /** Calls the function on the stream it will be recorded on, so that nothing it keeps belongs to another stream. */
  #runAside(): Result {
    const stream = this.#ownStream();
    const outer = currentStream(stream.device);
    stream.waitStream(outer);
    const result = withStream(stream, () => this.#fn(...this.#inputs!));
    outer.waitStream(stream);
    for (const tensor of tensorsIn(result)) if (tensor.device.startsWith('cuda')) outer.recordTensor(tensor);
    return result;
  }

  /**
   * The allocator reuses memory only on the stream it was allocated for, so graphs that share memory share the stream.
   */
  #ownStream(): Stream {
    const { device = 'cuda', sharing } = this.#options;
    const shared = sharing ? sharing.#stream : null;
    return (this.#stream ??= shared ?? new Stream(device === 'cpu' ? 'cuda' : device));
  }

  #capture(): void {
    const graph = onCuda((cuda) => cuda.newGraph());
    const { generators = [], sharing } = this.#options;
    const stream = this.#ownStream();
    synchronize(stream.device);
    // A recording has its own memory pool and cannot use cached memory.
    emptyCache();
    let result: Result | undefined;
    this.eagerReason = reasonOf(() =>
      withStream(stream, () => {
        onCuda((cuda) => {
          for (const generator of generators) cuda.registerGenerator(graph, generator.index);
          cuda.beginCapture(graph, sharing?.memory ?? null);
        });
        const failure = reasonOf(() => (result = keep(scope(() => this.#fn(...this.#inputs!)))));
        // Ends the capture after a failure too. The failure is reported instead of the error of the capture that it
        // broke.
        const end = reasonOf(() => undoOnCuda((cuda) => cuda.endCapture(graph)));
        const reason = failure ?? end;
        if (reason !== null) throw new ArgumentError(`the work could not be recorded: ${reason}`);
      }),
    );
    if (this.eagerReason !== null) {
      reasonOf(() => undoOnCuda((cuda) => cuda.resetGraph(graph)));
      return;
    }
    this.#graph = graph;
    this.#result = result;
  }

  /** The graph whose memory another one uses by `sharing`. */
  get memory(): NativeGraph | null {
    return this.#graph;
  }

  /** Frees what the graph holds: its inputs, its result, and the memory in between. */
  dispose(): void {
    const graph = this.#graph;
    if (graph) undoOnCuda((cuda) => cuda.resetGraph(graph));
    dispose([this.#inputs ?? [], this.#result ?? []]);
    this.#graph = null;
    this.#inputs = null;
    this.#result = undefined;
    this.#runs = 0;
  }

  /** For `using`: frees the graph. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function copyInto(held: Tensor, input: Tensor): void {
  if (held.handle === input.handle) return;
  const shapes = [held, input].map(({ shape, dtype }) => `${dtype}[${shape.join(', ')}]`);
  if (shapes[0] !== shapes[1]) throw new ArgumentError(`the graph takes ${shapes[0]}, not ${shapes[1]}`);
  noGrad(() => held.copy_(input, true));
}

/**
 * Records a function; see {@link Graph}.
 *
 * @example
 * ```ts
 * const step = torch.cuda.graph((x: Tensor) => x.square().sum());
 * for (let i = 0; i < 10; i++) step.run(torch.full([8], i, { device: 'cuda' }));
 * console.log(step.captured, step.eagerReason);
 * ```
 */
export function graph<Result>(
  fn: (...inputs: Tensor[]) => Result,
  options: GraphOptions = {},
): Graph<Result> {
  return new Graph(fn, options);
}

/**
 * Records work that has been run before and that writes its results to existing tensors. The recordings of one recorder
 * share their memory, so two of them never run at the same time. For `TokenSampler`'s `record`.
 */
export function graphRecorder(
  options: Pick<GraphOptions, 'generators' | 'device'> = {},
): (work: () => void) => Graph<void> {
  let first: Graph<void> | null = null;
  return (work) => {
    const recording: Graph<void> = new Graph(work, {
      ...options,
      warmUp: 0,
      ...(first && { sharing: first }),
    });
    first ??= recording;
    return recording;
  };
}
