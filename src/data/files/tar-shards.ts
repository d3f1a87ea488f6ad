/** Images in tar archives with WebDataset's layout: `000.jpg`, `000.cls` and `000.json` are one example. */
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { decodeName, recoverPath, systemPath } from '../../files/file-names.js';
import { ClassNames } from './class-names.js';
import { pictureExtensions } from '../pictures/decode.js';
import type { FoundImages } from './find-images.js';
import { ImageDataError } from '../image-error.js';
import type { ImageFilesOptions } from './image-files.js';
import { TarFile, type TarMember } from './tar-members.js';

/** Longest label or description in bytes. */
const longestText = 2 ** 20;

/**
 * Finds the images of tar archives: one file, several whose numbers are in braces (`shards/{000..009}.tar`), or a folder
 * of archives. Reads the headers and labels of each archive once. Returns null if the path is none of these.
 * @throws ImageDataError for an archive that is missing or damaged, or images of which only some have labels
 *
 * @example
 * ```ts
 * const found = await findShards('shards/{000000..000009}.tar');
 * ```
 */
export async function findShards(
  given: string,
  { onProgress, signal }: Pick<ImageFilesOptions, 'onProgress' | 'signal'> = {},
): Promise<FoundImages | null> {
  const paths = await archivesOf(await recoverPath(given));
  if (paths === null) return null;
  const shards: TarFile[] = [];
  const images = new ShardImages();
  try {
    for (const [i, path] of paths.entries()) {
      signal?.throwIfAborted();
      const shard = await TarFile.open(path);
      shards.push(shard);
      await images.addAll(shard, i);
      onProgress?.('reading archives', i + 1, paths.length);
    }
    return images.found(given, shards);
  } catch (error) {
    await Promise.all(shards.map((shard) => shard.close()));
    throw error;
  }
}

/** True if a path is an archive by its extension. */
const isTar = (path: string) => extname(path).toLowerCase() === '.tar';

/** Returns the archives that a path names; null if it names none. */
async function archivesOf(path: string): Promise<string[] | null> {
  const found = await stat(systemPath(path)).catch(() => null);
  if (found?.isDirectory()) return archivesIn(path);
  if (!isTar(path)) return null;
  return found ? [path] : expanded(path);
}

/** Returns the archives of a folder, sorted; null for a folder that has something else, too. */
async function archivesIn(folder: string): Promise<string[] | null> {
  const entries = await readdir(systemPath(folder), { withFileTypes: true, encoding: 'buffer' }).catch(
    () => [],
  );
  const names = entries
    .map((entry) => ({ name: decodeName(entry.name), folder: entry.isDirectory() }))
    .filter(({ name }) => !name.startsWith('.'));
  const images = names.some(
    (entry) => entry.folder || pictureExtensions.has(extname(entry.name).toLowerCase()),
  );
  const archives = names.filter(({ name }) => isTar(name)).map(({ name }) => join(folder, name));
  return images || archives.length === 0 ? null : archives.sort();
}

/** Expands the first `{000..009}` of a path, and then those after it. */
function expanded(path: string): string[] {
  const range = /\{(\d+)\.\.(\d+)\}/.exec(path);
  if (!range) return [path];
  const [whole, first = '', last = ''] = range;
  const count = Number(last) - Number(first) + 1;
  if (!(count > 0 && count <= 100_000)) {
    throw new ImageDataError(
      path,
      `${whole} has ${count} numbers; expected the smaller one first, and at most 100000`,
    );
  }
  return Array.from({ length: count }, (_, i) =>
    String(Number(first) + i).padStart(first.length, '0'),
  ).flatMap((number) => expanded(path.replace(whole, number)));
}

/** Places of the images in archives: 14 bytes for each besides its name. */
class ShardImages {
  readonly #files: string[] = [];
  readonly #shards: number[] = [];
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];
  readonly #classes = new ClassNames();
  readonly #ignored: Record<string, number> = {};

  /** Adds the examples of an archive: consecutive files with the same name before its first dot. */
  async addAll(archive: TarFile, shard: number): Promise<void> {
    let example: Example = { key: '', image: null, label: null };
    for await (const member of archive.members()) {
      const { key, kind } = partsOf(member.name);
      if (key !== example.key) {
        this.#add(archive, shard, example);
        example = { key, image: null, label: null };
      }
      if (pictureExtensions.has(`.${kind}`)) example.image ??= member;
      else if (kind === 'cls') example.label = (await smallText(archive, member)).trim();
      else if (kind === 'json') example.label ??= labelIn(await smallText(archive, member), archive, member);
      else this.#ignored[`.${kind}`] = (this.#ignored[`.${kind}`] ?? 0) + 1;
    }
    this.#add(archive, shard, example);
  }

  found(path: string, shards: readonly TarFile[]): FoundImages {
    if (this.#files.length === 0) {
      const reason = `there are no images in ${shards.length === 1 ? 'this archive' : `these ${shards.length} archives`}`;
      throw new ImageDataError(path, `${reason}; looked for files such as 000.jpg and 000.png`);
    }
    const errorAt = (image: number, reason: string) =>
      new ImageDataError(this.#files[image] as string, reason);
    return {
      kind: 'tar',
      files: this.#files,
      ignored: this.#ignored,
      ...this.#classes.settle(errorAt),
      bytes: (i) => (shards[this.#shards[i]!] as TarFile).read(this.#offsets[i]!, this.#lengths[i]!),
      close: async () => void (await Promise.all(shards.map((shard) => shard.close()))),
    };
  }

  #add(archive: TarFile, shard: number, { image, label }: Example): void {
    if (image === null) return;
    this.#files.push(join(archive.path, image.name));
    this.#shards.push(shard);
    this.#offsets.push(image.offset);
    this.#lengths.push(image.bytes);
    this.#classes.add(label);
  }
}

interface Example {
  key: string;
  image: TarMember | null;
  label: string | number | null;
}

/** Splits `train/000.seg.png` into its key `train/000` and its kind `seg.png`. */
function partsOf(name: string): { key: string; kind: string } {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
  if (dot < 0) return { key: name, kind: '' };
  return { key: name.slice(0, dot), kind: name.slice(dot + 1).toLowerCase() };
}

async function smallText(archive: TarFile, member: TarMember): Promise<string> {
  if (member.bytes <= longestText) return archive.text(member);
  throw new ImageDataError(
    join(archive.path, member.name),
    `has ${member.bytes} bytes, at most ${longestText} are expected`,
  );
}

/** Returns `label` of a description, or `class`; null if it has neither. */
function labelIn(text: string, archive: TarFile, { name }: TarMember): string | number | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ImageDataError(join(archive.path, name), `is not JSON (${(cause as Error).message})`, {
      cause,
    });
  }
  const { label, class: category } = (value ?? {}) as { label?: unknown; class?: unknown };
  const found = label ?? category;
  return typeof found === 'string' || typeof found === 'number' ? found : null;
}
