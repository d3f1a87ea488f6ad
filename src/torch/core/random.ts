import { InThread } from './in-thread.js';
import { acrossCopies } from './across-copies.js';
import { requireCuda } from './device.js';
import { translate } from './errors.js';
import { native } from '../native/load.js';
import { born, type Tensor } from './tensor.js';

function seedBits(seed: number | bigint): bigint {
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new RangeError(`a seed is an integer up to 2^53, or a bigint; got ${seed}`);
  }
  return BigInt.asUintN(64, BigInt(seed));
}

function guarded<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translate(error);
  }
}

/** A stream of random numbers, given to an operator as `{ generator }`. */
export class Generator extends InThread {
  /** The device whose random operators it serves. */
  readonly device: string;
  /** Place in the addon's table. */
  readonly index: number;

  constructor(device = 'cpu', index?: number) {
    super('a generator', 'send the bytes of its getState()');
    if (device.startsWith('cuda')) requireCuda();
    this.device = device;
    this.index = index ?? guarded(() => native.newGenerator(device));
  }

  /** Starts the stream anew; the same seed gives the same numbers. */
  manualSeed(seed: number | bigint): this {
    guarded(() => native.seedGenerator(this.index, seedBits(seed)));
    return this;
  }

  /** The seed it was started with. */
  initialSeed(): bigint {
    return guarded(() => native.generatorSeed(this.index));
  }

  /** The whole state, as bytes: a uint8 tensor. */
  getState(): Tensor {
    return born(guarded(() => native.generatorState(this.index)));
  }

  /** Goes on where the generator was that `state` was taken from. */
  setState(state: Tensor): this {
    guarded(() => native.setGeneratorState(this.index, state.handle));
    return this;
  }
}

acrossCopies(Generator, 'Generator');

const defaults = new Map<string, Generator>();

/** The generator that random operators use when none is given. */
export function defaultGenerator(device = 'cpu'): Generator {
  if (device.startsWith('cuda')) requireCuda();
  let generator = defaults.get(device);
  if (!generator) {
    generator = new Generator(
      device,
      guarded(() => native.defaultGenerator(device)),
    );
    defaults.set(device, generator);
  }
  return generator;
}

/** Seeds the default generators of all devices, and gives the CPU's. */
export function manualSeed(seed: number | bigint): Generator {
  guarded(() => native.manualSeed(seedBits(seed)));
  return defaultGenerator();
}
