import type { CudaBinding } from './cuda-binding.js';
import type { DistributedBinding } from './distributed-binding.js';

/** The addon's exports (native/*.cc). Tensors are handles: numbers that encode a slot and its generation. */
export interface Binding {
  /** Looks up an operator; returns its plan's number, for `call`. */
  resolve(name: string, overload: string): { id: number; schema: string };
  /** Runs the call on the wire; if the results do not fit, returns the required length of the wire. */
  call(): number | undefined;
  results(): void;
  schemas(): string[];

  setWire(wire: Float64Array): void;
  openScope(): void;
  closeScope(): void;
  dispose(handle: number): void;
  adopt(handle: number, object: object): void;
  alive(handle: number): boolean;
  liveTensors(): number[];

  describe(handle: number): void;
  copyBytes(handle: number, byteOffset: number, bytes: Uint8Array, write: boolean): void;
  setData(handle: number, other: number): void;

  backward(retainGraph: boolean, createGraph: boolean): void;
  grad(retainGraph: boolean, createGraph: boolean, allowUnused: boolean): void;
  gradient(handle: number): number;
  setGradient(handle: number, gradient: number): void;
  gradientName(handle: number): string;
  setRequiresGrad(handle: number, flag: boolean): void;
  setGradMode(enabled: boolean): boolean;
  gradMode(): boolean;
  enterInferenceMode(enabled: boolean): void;
  leaveInferenceMode(): void;
  inferenceMode(): boolean;
  autocast(deviceType: number): number;
  setAutocast(deviceType: number, enabled: boolean, dtype: number, leaving: boolean): void;

  registerHook(handle: number, callback: () => void): number;
  removeHook(handle: number, hook: number): void;
  setAccumulationHook(handle: number, callback: (() => void) | null): void;
  setHistory(callback: () => void, name: string): void;
  setAnomalyDetection(enabled: boolean): boolean;

  newGenerator(device: string): number;
  defaultGenerator(device: string): number;
  seedGenerator(generator: number, seed: bigint): void;
  generatorSeed(generator: number): bigint;
  generatorState(generator: number): number;
  setGeneratorState(generator: number, state: number): void;
  manualSeed(seed: bigint): void;

  setNumThreads(count: number): void;
  getNumThreads(): number;
  memory(): { tensors: number; cpuBytes: number; cpuPeakBytes: number };
  setMemoryBudget(bytes: number): void;
  builtAgainst(): string;

  startProfiler(): void;
  /** Four numbers for each event: index of its name, thread, and start and end in nanoseconds since the start. */
  stopProfiler(): { names: string[]; events: Float64Array };

  cuda: CudaBinding;
  distributed: DistributedBinding;
}
