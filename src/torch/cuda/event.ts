import { InThread } from '../core/in-thread.js';
import type { NativeEvent } from '../native/cuda-binding.js';
import { onCuda } from './device.js';
import { currentStream, type Stream } from './stream.js';

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
