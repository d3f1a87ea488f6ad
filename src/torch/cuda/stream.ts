import { InThread } from '../core/in-thread.js';
import type { Tensor } from '../core/tensor.js';
import type { NativeEvent } from '../native/cuda-binding.js';
import { deviceIndex, onCuda, undoOnCuda, withDevice, type CudaDevice } from './device.js';

/**
 * A queue of work on a device. What is on one stream runs in order; streams run beside each other, and a result made on one
 * may be used on another only after `waitStream` or `waitEvent`. libtorch has 32 streams of each priority for a device and
 * gives them out in turn.
 */
export class Stream extends InThread {
  /** libtorch's number for it. */
  readonly id: number;
  /** Index of its device. */
  readonly device: number;

  /** @param options.priority -1 goes before 0, the default; or the `id` of a stream that is there already */
  constructor(device?: CudaDevice, options: { priority?: 0 | -1; id?: number } = {}) {
    super('a stream', 'make one in each thread');
    this.device = deviceIndex(device);
    this.id = options.id ?? onCuda((cuda) => cuda.newStream(this.device, options.priority ?? 0));
  }

  /** Whether everything given to it is done. */
  query(): boolean {
    return onCuda((cuda) => cuda.queryStream(this.id, this.device));
  }

  /** Waits until everything given to it is done. */
  synchronize(): void {
    onCuda((cuda) => cuda.synchronizeStream(this.id, this.device));
  }

  /** What comes later on this stream starts when everything given to the other so far is done. The host does not wait. */
  waitStream(other: Stream): void {
    this.waitEvent(other.recordEvent());
  }

  /** What comes later on this stream starts when the event has happened. The host does not wait. */
  waitEvent(event: Event): void {
    event.wait(this);
  }

  /** Marks the place the stream has come to. @returns the event given, or a new one */
  recordEvent(event: Event = new Event()): Event {
    event.record(this);
    return event;
  }

  /**
   * Says that the tensor is used here though it was made on another stream: once freed, its memory is not given out again
   * before this stream has come this far.
   */
  recordTensor(tensor: Tensor): void {
    onCuda((cuda) => cuda.recordStream(tensor.handle, this.id, this.device));
  }

  /** Whether both name the same queue. */
  equals(other: Stream): boolean {
    return this.id === other.id && this.device === other.device;
  }
}

/** A mark in a stream: other streams and the host can wait for it, and two of them tell the time between. */
export class Event extends InThread {
  readonly #event: NativeEvent;

  /** @param options.enableTiming for `elapsedTime`; without it an event costs less */
  constructor({ enableTiming = false }: { enableTiming?: boolean } = {}) {
    super('an event', 'record one in each thread');
    this.#event = onCuda((cuda) => cuda.newEvent(enableTiming));
  }

  /** Puts the mark behind what was given to the stream so far; recording again moves it. */
  record(stream: Stream = currentStream()): void {
    onCuda((cuda) => cuda.recordEvent(this.#event, stream.id, stream.device));
  }

  /** What comes later on the stream waits for the mark. */
  wait(stream: Stream = currentStream()): void {
    onCuda((cuda) => cuda.waitEvent(this.#event, stream.id, stream.device));
  }

  /** Whether the stream has passed the mark; true for one that was never recorded. */
  query(): boolean {
    return onCuda((cuda) => cuda.queryEvent(this.#event));
  }

  /** Waits on the host until the stream has passed the mark. */
  synchronize(): void {
    onCuda((cuda) => cuda.synchronizeEvent(this.#event));
  }

  /** Milliseconds from this mark to a later one, on the device's clock. Both have `enableTiming` and have been passed. */
  elapsedTime(end: Event): number {
    return onCuda((cuda) => cuda.elapsedTime(this.#event, end.#event));
  }
}

/** The stream that operators run on, on a device, in this thread. */
export function currentStream(device?: CudaDevice): Stream {
  const index = deviceIndex(device);
  return new Stream(index, { id: onCuda((cuda) => cuda.currentStream(index)) });
}

/** The stream that is current until another one is set. */
export function defaultStream(device?: CudaDevice): Stream {
  const index = deviceIndex(device);
  return new Stream(index, { id: onCuda((cuda) => cuda.defaultStream(index)) });
}

/** Calls `fn` with the stream, and its device, as the current ones. @returns what `fn` returns */
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
