import { existsSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { attempt } from '../../../files/look.js';
import { keyMaps, recogniseKeys, withKeys } from '../../../models/weights/key-maps/index.js';
import { waysOfReading, type WayOfReading } from '../../../models/weights/wrapped.js';
import { itemSize, isFloatingPoint, type DType, type Tensor } from '../../../torch/index.js';
import * as torch from '../../../torch/index.js';
import { loadCheckpoint, savePytorch, saveSafetensors } from '../../../torch/io/index.js';
import type {
  Checkpoint,
  CheckpointTensorInfo,
  LazyTensorMap,
  LazyTensors,
} from '../../../torch/io/index.js';
import { formatBytes } from '../../../setup/progress.js';
import type { ConvertFlags } from './command.js';
import { UsageError } from '../../usage-error.js';

const pytorchEndings = ['.pt', '.pth', '.bin', '.ckpt'];
/** Strides of 0 repeat elements without bytes; more repetitions than this occur only in an attack. */
const MAX_GROWTH = 64;

/** Converts a file and returns a line about the written one. */
export async function convertFile(from: string, to: string, flags: ConvertFlags): Promise<string> {
  const ending = extname(to);
  if (ending !== '.safetensors' && !pytorchEndings.includes(ending)) {
    throw new UsageError(
      `${to} must end in .safetensors or ${pytorchEndings.join(', ')}: the extension selects the format`,
    );
  }
  if (existsSync(to) && !flags.force) throw new UsageError(`${to} exists; --force replaces it`);
  using checkpoint = await loadCheckpoint(from);
  const tensors = chosen(checkpoint, flags);
  const bytes = [...tensors.keys()].reduce((sum, key) => sum + sizeOf(tensors.info(key)!), 0);
  if (tensors.size === 0)
    throw new Error(`${from} has no tensors to write${flags.prefix ? ` below ${flags.prefix}` : ''}`);
  const { size } = checkpoint;
  if (bytes > MAX_GROWTH * size + 2 ** 30) {
    throw new Error(
      `the tensors of ${from} would take ${formatBytes(bytes)}, but the file has only ${formatBytes(size)}; it is not converted`,
    );
  }
  await write(to, ending, tensors, otherValues(checkpoint, flags.all ?? false));
  return `${to}: ${tensors.size} tensors, ${formatBytes(statSync(to).size)}`;
}

/** Returns the values besides the weights, except those whose tensors are not written, such as optimizer states. */
function otherValues({ all, metadata }: Checkpoint, everything: boolean): Record<string, unknown> {
  const torn = new Set(everything ? [] : [...all.keys()].map((key) => key.split('.')[0]));
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => !torn.has(name)));
}

async function write(
  path: string,
  ending: string,
  tensors: LazyTensorMap,
  metadata: Record<string, unknown>,
): Promise<void> {
  if (ending === '.safetensors') {
    const texts = Object.entries(metadata).flatMap(([key, value]) => asText(key, value));
    return saveSafetensors(path, tensors, { metadata: { format: 'pt', ...Object.fromEntries(texts) } });
  }
  return savePytorch(path, ending === '.ckpt' ? { ...metadata, state_dict: tensors } : tensors);
}

/** Converts a value for safetensors, which store only strings: to JSON, or nothing if JSON cannot represent it. */
function asText(key: string, value: unknown): [string, string][] {
  if (typeof value === 'string') return [[key, value]];
  const plain = (_: string, item: unknown) => (ArrayBuffer.isView(item) ? undefined : item);
  return attempt(() => [[key, JSON.stringify(value, plain) ?? '']]) ?? [];
}

function chosen(
  checkpoint: Checkpoint,
  { all, prefix, ignore = [], layout, fromLayout, dtype }: ConvertFlags,
) {
  let weights: LazyTensors = all ? checkpoint.all : checkpoint.tensors;
  if (prefix !== undefined) weights = weights.below(prefix);
  if (ignore.length > 0) weights = weights.without(...ignore);
  let tensors: LazyTensorMap = weights;
  if (layout !== undefined) tensors = inLayout(weights, layout, fromLayout, prefix !== undefined);
  return dtype === undefined ? tensors : new Cast(tensors, dtype as DType);
}

/** Returns the weights of a first stage in another layout; they may be nested in wrappers. */
function inLayout(
  weights: LazyTensors,
  layout: string,
  from: string | undefined,
  exact: boolean,
): LazyTensorMap {
  const given = [...weights.keys()];
  // A second stage of the reference stays unchanged: none of its keys have another layout.
  if (layout === 'reference' && given.some((key) => key.startsWith('transformer.'))) return weights;
  const ways = waysOfReading(given).filter(({ prefix }) => !exact || prefix === '');
  const [first] = ways;
  const way = ways.find((each) => isOf(from, keysOf(weights, each))) ?? (from === undefined ? null : first);
  if (!way) {
    throw new UsageError(
      `the keys do not match a known first stage; name their layout with --from-layout, or give a --prefix`,
    );
  }
  const inner = weights.below(way.prefix).renamed(way.rename);
  const keys = [...inner.keys()];
  const source = from === undefined ? recogniseKeys(keys) : keyMaps.find(({ name }) => name === from);
  const reference = source === undefined ? inner : withKeys(inner, source.toReference(keys));
  const target = keyMaps.find(({ name }) => name === layout);
  return target === undefined ? reference : withKeys(reference, target.fromReference([...reference.keys()]));
}

const keysOf = (weights: LazyTensors, { prefix, rename }: WayOfReading): string[] =>
  [...weights.below(prefix).keys()].map(rename);

/** True if the keys have the given layout, or any known one if it is undefined. */
function isOf(layout: string | undefined, keys: readonly string[]): boolean {
  const found = recogniseKeys(keys)?.name ?? (keys.includes('quant_conv.weight') ? 'reference' : undefined);
  if (layout === undefined || found === undefined) return found !== undefined;
  // Latent diffusion uses the reference's names, and stores its average next to the weights.
  const family = (name: string) => (name.startsWith('latent-diffusion') ? 'reference' : name);
  return family(found) === family(layout);
}

function sizeOf({ shape, dtype }: CheckpointTensorInfo): number {
  return shape.reduce((product, size) => product * size, itemSize[dtype]);
}

/** Casts floating-point tensors to another dtype as they are read. */
class Cast extends Map<string, Tensor> implements LazyTensorMap {
  readonly #source: LazyTensorMap;
  readonly #dtype: DType;

  constructor(source: LazyTensorMap, dtype: DType) {
    super();
    this.#source = source;
    this.#dtype = dtype;
  }

  override get size(): number {
    return this.#source.size;
  }

  override keys(): MapIterator<string> {
    return this.#source.keys();
  }

  override has(key: string): boolean {
    return this.#source.has(key);
  }

  info(key: string): CheckpointTensorInfo | undefined {
    const info = this.#source.info(key);
    return info && isFloatingPoint(info.dtype) ? { ...info, dtype: this.#dtype } : info;
  }

  override get(key: string): Tensor | undefined {
    const { dtype } = this.info(key) ?? {};
    return dtype && torch.scope(() => this.#source.get(key)!.to(dtype));
  }
}
