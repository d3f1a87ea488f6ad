/** An object of the addon, freed with its JavaScript object. */
export type NativeEvent = object;
export type NativeGraph = object;
export type NativeKernel = object;

/** A counter of the allocator, since the start or, for the peak, since it was last reset. */
export interface MemoryCounter {
  current: number;
  peak: number;
  allocated: number;
  freed: number;
}

/** Statistics of a device's allocator; libtorch keeps freed memory for reuse. */
export interface MemoryStats {
  /** Number of blocks in use. */
  allocations: MemoryCounter;
  /** Number of segments reserved from the driver. */
  segments: MemoryCounter;
  /** Bytes in use. */
  allocatedBytes: MemoryCounter;
  /** Bytes reserved from the driver. */
  reservedBytes: MemoryCounter;
  /** Bytes in use, or waiting for a stream to pass. */
  activeBytes: MemoryCounter;
  /** Bytes requested, before rounding. */
  requestedBytes: MemoryCounter;
  /** Number of times the cache had to be emptied to make room. */
  retries: number;
  /** Number of times memory ran out. */
  outOfMemory: number;
}

/** `cuda` in the addon's exports (native/cuda, native/graph, native/nvrtc). Devices are indices, streams are ids. */
export interface CudaBinding {
  deviceCount(): number;
  initialize(): void;
  currentDevice(): number;
  setDevice(device: number): void;
  synchronizeDevice(device: number): void;

  currentStream(device: number): number;
  defaultStream(device: number): number;
  newStream(device: number, priority: number): number;
  setStream(stream: number, device: number): void;
  queryStream(stream: number, device: number): boolean;
  synchronizeStream(stream: number, device: number): void;
  recordStream(handle: number, stream: number, device: number): void;

  newEvent(timing: boolean): NativeEvent;
  recordEvent(event: NativeEvent, stream: number, device: number): void;
  waitEvent(event: NativeEvent, stream: number, device: number): void;
  queryEvent(event: NativeEvent): boolean;
  synchronizeEvent(event: NativeEvent): void;
  elapsedTime(start: NativeEvent, end: NativeEvent): number;

  /** Empty before the first allocation. */
  memoryStats(device: number): Partial<MemoryStats>;
  memoryInfo(device: number): [free: number, total: number];
  emptyCache(): void;
  resetPeakMemory(device: number): void;

  flag(name: string): boolean;
  setFlag(name: string, on: boolean): void;

  openGraphs(shim: string, version: string): void;
  newGraph(): NativeGraph;
  registerGenerator(graph: NativeGraph, generator: number): void;
  beginCapture(graph: NativeGraph, sharing: NativeGraph | null): void;
  endCapture(graph: NativeGraph): void;
  replayGraph(graph: NativeGraph): void;
  resetGraph(graph: NativeGraph): void;

  driverVersion(): number;
  deviceName(device: number): string;
  deviceAttribute(device: number, attribute: number): number;
  loadKernel(device: number, image: Uint8Array, name: string): NativeKernel;
  launchKernel(
    kernel: NativeKernel,
    stream: number,
    device: number,
    sizes: readonly number[],
    kinds: string,
    values: readonly number[],
  ): void;

  openNvrtc(names: readonly string[]): string;
  compileKernels(source: string, name: string, options: readonly string[]): Uint8Array;
}
