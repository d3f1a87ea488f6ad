import { InThread } from './in-thread.js';
import { acrossCopies } from './across-copies.js';
import { requireCuda } from './device.js';
import { translated } from './translated.js';
import { native } from '../native/load.js';
import { born, type Tensor } from './tensor.js';

function seedBits(seed: number | bigint): bigint {
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new RangeError(`a seed is an integer up to 2^53, or a bigint; got ${seed}`);
  }
  return BigInt.asUintN(64, BigInt(seed));
}

/**
 * A stream of random numbers, passed to an operator as `{ generator }`.
 *
 * @example
 * ```ts
 * const generator = new torch.Generator().manualSeed(1);
 * const x = torch.randn([2, 3], { generator }); // the same numbers each time
 * ```
 */
export class Generator extends InThread {
  /** The device whose random operators can use it. */
  readonly device: string;
  /** Index in the addon's table. */
  readonly index: number;

  constructor(device = 'cpu', index?: number) {
    super('a generator', 'send the bytes of its getState()');
    if (device.startsWith('cuda')) requireCuda();
    this.device = device;
    this.index = index ?? translated(() => native.newGenerator(device));
  }

  /** Restarts the stream; the same seed gives the same numbers. */
  manualSeed(seed: number | bigint): this {
    translated(() => native.seedGenerator(this.index, seedBits(seed)));
    return this;
  }

  /** Returns the seed that the stream was started with. */
  initialSeed(): bigint {
    return translated(() => native.generatorSeed(this.index));
  }

  /** Returns the whole state as bytes: a uint8 tensor. */
  getState(): Tensor {
    return born(translated(() => native.generatorState(this.index)));
  }

  /** Continues from the point at which `state` was taken from a generator. */
  setState(state: Tensor): this {
    translated(() => native.setGeneratorState(this.index, state.handle));
    return this;
  }
}

acrossCopies(Generator, 'Generator');

const defaults = new Map<string, Generator>();

/** Returns the generator that random operators use by default. */
export function defaultGenerator(device = 'cpu'): Generator {
  if (device.startsWith('cuda')) requireCuda();
  let generator = defaults.get(device);
  if (!generator) {
    generator = new Generator(
      device,
      translated(() => native.defaultGenerator(device)),
    );
    defaults.set(device, generator);
  }
  return generator;
}

/**
 * Seeds the default generators of all devices and returns the CPU's.
 *
 * @example
 * ```ts
 * torch.manualSeed(1);
 * const x = torch.randn([2, 3]); // the same numbers each time
 * ```
 */
export function manualSeed(seed: number | bigint): Generator {
  translated(() => native.manualSeed(seedBits(seed)));
  return defaultGenerator();
}
