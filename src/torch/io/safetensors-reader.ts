import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { CheckpointError } from './checkpoint-error.js';
import type { CheckpointFile } from './checkpoint-file.js';
import type { CheckpointTensorInfo, TensorReader } from './lazy-tensors.js';
import { dtypeOfFormat, parseHeader, readHeaderLength } from './safetensors.js';
import type { SafetensorsEntry } from './safetensors.js';

/** Reads tensors of a safetensors file. */
export class SafetensorsReader implements TensorReader {
  readonly metadata: Readonly<Record<string, string>>;
  readonly #file: CheckpointFile;
  readonly #entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly #dataStart: number;

  /** @throws CheckpointError if the header is not valid */
  constructor(file: CheckpointFile) {
    const start = new Uint8Array(Math.min(8, file.size));
    file.read(start, 0);
    const length = readHeaderLength(start, file.size);
    const header = new Uint8Array(length);
    file.read(header, 8);
    const parsed = parseHeader(header, file.size - 8 - length);
    this.metadata = parsed.metadata;
    this.#file = file;
    this.#entries = parsed.entries;
    this.#dataStart = 8 + length;
  }

  keys(): Iterable<string> {
    return this.#entries.keys();
  }

  info(key: string): CheckpointTensorInfo {
    const { format, shape } = this.#entry(key);
    const dtype = dtypeOfFormat(format);
    if (dtype === null) {
      throw new CheckpointError('dtype', `tensor ${JSON.stringify(key)} has the unsupported dtype ${format}`);
    }
    return { shape: [...shape], dtype };
  }

  read(key: string): Tensor {
    const { shape, dtype } = this.info(key);
    return torch.scope(() => {
      const tensor = torch.empty([...shape], { dtype });
      this.readInto(key, tensor);
      return tensor;
    });
  }

  /** The format stores every tensor separately. */
  readMany(keys: readonly string[]): Tensor[] {
    return keys.map((key) => this.read(key));
  }

  readInto(key: string, target: Tensor): void {
    const { begin, end } = this.#entry(key);
    this.#file.readTensor(target, this.#dataStart + begin, end - begin);
  }

  #entry(key: string): SafetensorsEntry {
    const entry = this.#entries.get(key);
    if (entry === undefined)
      throw new torch.ArgumentError(`${this.#file.path} has no tensor ${JSON.stringify(key)}`);
    return entry;
  }
}
