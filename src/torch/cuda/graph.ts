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
  /** How many calls run as they are before the work is recorded; default 3. cuDNN chooses its algorithms meanwhile. */
  warmUp?: number;
  /** Generators other than the device's own that `fn` draws from. */
  generators?: readonly Generator[];
  /** Another graph, never running at the same time, to share memory with. */
  sharing?: Graph<unknown>;
  /** Where the inputs are held; default `cuda`, the current device. */
  device?: Device;
}

let unavailable: string | null | undefined;

/** Why graphs cannot be captured here; null where they can. */
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
 * Records what a function does on the device, and repeats it as one launch: what remains of a step of many small kernels
 * is the kernels.
 *
 *     const step = torch.cuda.graph((images: Tensor) => trainOn(images));
 *     for (const images of batches) step.run(images);
 *
 * Each `run` does what a call of `fn` would do. The first ones do call it; the next one records it; from then on
 * JavaScript in `fn` does not run any more, so its numbers stay what they were: a learning rate or a counter that changes
 * has to be a tensor. `fn` must not read from the device (`item()`), nor change shapes. Where it cannot be recorded,
 * every run calls `fn`, and `eagerReason` says why. Random numbers go on as they would without a graph.
 */
export class Graph<Result> extends InThread {
  readonly #fn: (...inputs: Tensor[]) => Result;
  readonly #options: GraphOptions;
  #runs = 0;
  #inputs: Tensor[] | null = null;
  #stream: Stream | null = null;
  #graph: NativeGraph | null = null;
  #result: Result | undefined;

  /** Why `run` calls the function itself; null where it is, or will be, recorded. */
  eagerReason: string | null;

  constructor(fn: (...inputs: Tensor[]) => Result, options: GraphOptions = {}) {
    super('a graph', 'record one in each thread');
    this.#fn = fn;
    this.#options = options;
    this.eagerReason = whyNoGraphs();
  }

  /** Whether the work has been recorded. */
  get captured(): boolean {
    return this.#graph !== null;
  }

  /**
   * Does the work on these inputs, of the same shapes and dtypes each time. @returns what `fn` returned; once recorded,
   * always the same tensors, which the next run overwrites
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

  /** Copies the inputs to where the recorded work reads them. */
  #hold(inputs: readonly Tensor[]): void {
    const { device = 'cuda' } = this.#options;
    this.#inputs ??= inputs.map((input) => keep(noGrad(() => input.detach().to(device, { copy: true }))));
    if (inputs.length !== this.#inputs.length) {
      throw new ArgumentError(`the graph takes ${this.#inputs.length} inputs, not ${inputs.length}`);
    }
    for (const [i, held] of this.#inputs.entries()) copyInto(held, inputs[i]!);
  }

  /** Calls the function on the stream it will be recorded on, so that nothing it keeps belongs to another one. */
  #runAside(): Result {
    const stream = this.#ownStream();
    const outer = currentStream(stream.device);
    stream.waitStream(outer);
    const result = withStream(stream, () => this.#fn(...this.#inputs!));
    outer.waitStream(stream);
    for (const tensor of tensorsIn(result)) if (tensor.device.startsWith('cuda')) outer.recordTensor(tensor);
    return result;
  }

  /** Memory is given out again on the stream it was taken for, so graphs that share memory share the stream. */
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
    // A recording has memory of its own, and cannot take what is cached.
    emptyCache();
    let result: Result | undefined;
    this.eagerReason = reasonOf(() =>
      withStream(stream, () => {
        onCuda((cuda) => {
          for (const generator of generators) cuda.registerGenerator(graph, generator.index);
          cuda.beginCapture(graph, sharing?.memory ?? null);
        });
        const failure = reasonOf(() => (result = keep(scope(() => this.#fn(...this.#inputs!)))));
        // Also after a failure, which says more than that of the capture it spoilt.
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

  /** For `sharing`. */
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

  /** For `using`: frees what it holds. */
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

/** Records a function; see {@link Graph}. */
export function graph<Result>(
  fn: (...inputs: Tensor[]) => Result,
  options: GraphOptions = {},
): Graph<Result> {
  return new Graph(fn, options);
}

/**
 * Records work that has been run before, and that leaves its results in tensors made before. The recordings of one
 * recorder share their memory, so two of them never run at the same time. For `TokenSampler`'s `record`.
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
