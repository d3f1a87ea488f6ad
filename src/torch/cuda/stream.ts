import { InThread } from '../core/in-thread.js';
import type { Tensor } from '../core/tensor.js';
import type { NativeEvent } from '../native/cuda-binding.js';
import { deviceIndex, onCuda, undoOnCuda, withDevice, type CudaDevice } from './device.js';

/**
 * A queue of work on a device. Work on one stream runs in order; streams run concurrently, and a result made on one may
 * be used on another only after `waitStream` or `waitEvent`. libtorch has 32 streams of each priority per device and
 * hands them out in rotation.
 *
 * @example
 * ```ts
 * const side = new torch.cuda.Stream();
 * const x = torch.ones([1024], { device: 'cuda' });
 * side.waitStream(torch.cuda.currentStream());
 * const y = torch.cuda.withStream(side, () => x.mul(2));
 * torch.cuda.currentStream().waitStream(side); // from here on, y may be used
 * ```
 */
export class Stream extends InThread {
  /** libtorch's number for the stream. */
  readonly id: number;
  /** Index of its device. */
  readonly device: number;

  /** @param options.priority -1 runs before 0, the default; or the `id` of an existing stream */
  constructor(device?: CudaDevice, options: { priority?: 0 | -1; id?: number } = {}) {
    super('a stream', 'make one in each thread');
    this.device = deviceIndex(device);
    this.id = options.id ?? onCuda((cuda) => cuda.newStream(this.device, options.priority ?? 0));
  }

  /** True if all work queued on it is done. */
  query(): boolean {
    return onCuda((cuda) => cuda.queryStream(this.id, this.device));
  }

  /** Waits until all work queued on it is done. */
  synchronize(): void {
    onCuda((cuda) => cuda.synchronizeStream(this.id, this.device));
  }

  /**
   * Makes later work on this stream wait until all work queued on the other so far is done. Does not block the host.
   */
  waitStream(other: Stream): void {
    this.waitEvent(other.recordEvent());
  }

  /** Makes later work on this stream wait for the event. Does not block the host. */
  waitEvent(event: Event): void {
    event.wait(this);
  }

  /** Records an event at the current end of the stream. @returns the event given, or a new one */
  recordEvent(event: Event = new Event()): Event {
    event.record(this);
    return event;
  }

  /**
   * Declares that a tensor made on another stream is used here: once freed, its memory is not reused before this stream
   * has reached this point.
   */
  recordTensor(tensor: Tensor): void {
    onCuda((cuda) => cuda.recordStream(tensor.handle, this.id, this.device));
  }

  /** True if both are the same stream. */
  equals(other: Stream): boolean {
    return this.id === other.id && this.device === other.device;
  }
}

/**
 * A mark in a stream: other streams and the host can wait for it, and two events measure the time between them.
 *
 * @example
 * ```ts
 * const [start, end] = [0, 1].map(() => new torch.cuda.Event({ enableTiming: true }));
 * start!.record();
 * const y = torch.ones([1024, 1024], { device: 'cuda' }).square();
 * end!.record();
 * end!.synchronize();
 * console.log(start!.elapsedTime(end!), 'ms');
 * ```
 */
export class Event extends InThread {
  readonly #event: NativeEvent;

  /** @param options.enableTiming needed for `elapsedTime`; without it an event costs less */
  constructor({ enableTiming = false }: { enableTiming?: boolean } = {}) {
    super('an event', 'record one in each thread');
    this.#event = onCuda((cuda) => cuda.newEvent(enableTiming));
  }

  /** Records the event after the work queued on the stream so far; recording again moves it. */
  record(stream: Stream = currentStream()): void {
    onCuda((cuda) => cuda.recordEvent(this.#event, stream.id, stream.device));
  }

  /** Makes later work on the stream wait for the event. */
  wait(stream: Stream = currentStream()): void {
    onCuda((cuda) => cuda.waitEvent(this.#event, stream.id, stream.device));
  }

  /** True if the stream has passed the event, or the event was never recorded. */
  query(): boolean {
    return onCuda((cuda) => cuda.queryEvent(this.#event));
  }

  /** Blocks the host until the stream has passed the event. */
  synchronize(): void {
    onCuda((cuda) => cuda.synchronizeEvent(this.#event));
  }

  /**
   * Returns the milliseconds from this event to a later one, on the device's clock. Both must have `enableTiming` and
   * have been passed.
   */
  elapsedTime(end: Event): number {
    return onCuda((cuda) => cuda.elapsedTime(this.#event, end.#event));
  }
}

/** Returns the stream that operators run on, on a device, in this thread. */
export function currentStream(device?: CudaDevice): Stream {
  const index = deviceIndex(device);
  return new Stream(index, { id: onCuda((cuda) => cuda.currentStream(index)) });
}

/** Returns the stream that is current until another one is set. */
export function defaultStream(device?: CudaDevice): Stream {
  const index = deviceIndex(device);
  return new Stream(index, { id: onCuda((cuda) => cuda.defaultStream(index)) });
}

/**
 * Calls `fn` with the stream, and its device, as the current ones. @returns what `fn` returns
 *
 * @example
 * ```ts
 * const x = torch.cuda.withStream(new torch.cuda.Stream(), () => torch.zeros([8], { device: 'cuda' }));
 * ```
 */
export function withStream<T>(stream: Stream, fn: () => T): T {
  return withDevice(stream.device, () => {
    const before = currentStream(stream.device);
    onCuda((cuda) => cuda.setStream(stream.id, stream.device));
    try {
      return fn();
    } finally {
      undoOnCuda((cuda) => cuda.setStream(before.id, before.device));
    }
  });
}
