/** The list of finished shards in an output folder, by which a killed run continues. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../../../files/atomic-file.js';
import { systemPath } from '../../../files/file-names.js';
import { exists, jsonIn } from '../../../files/look.js';
import { isTemporary } from '../../../files/temporary.js';
import { describeFile } from '../../../runs/checkpoint.js';
import { UsageError } from '../../usage-error.js';

/** Name of the manifest; token files have other names. */
export const MANIFEST = 'tokens.json';

/** Raised when older versions could not read the folder. */
const FORMAT = 1;

/** A finished shard. */
export interface ShardEntry {
  images: number;
  /** Names of the token files; none if no image of the shard could be used. */
  files: readonly string[];
  /** Of the names, sizes and contents of the files: one hash, as there may be a file for each image. */
  sha256: string;
  leftOut?: { file: string; reason: string }[];
}

/** What the token files depend on. A resumed run must have the same. */
export interface Origin {
  /** Flags that change the content of the files, by their names. */
  settings: Record<string, unknown>;
  /** SHA-256 of the weights. */
  model: string;
  /** The images: their number, and the SHA-256 of their paths and sizes in bytes. */
  images: { count: number; sha256: string };
}

interface Content extends Origin {
  format: number;
  /** Finished shards by number. */
  shards: Record<string, ShardEntry>;
}

/** Returns the digest of a list of images: of their paths and sizes in bytes. */
export async function digestOf(files: readonly string[]): Promise<Origin['images']> {
  const hash = createHash('sha256');
  for (const file of files) {
    const size = await stat(systemPath(file)).then(
      (found) => found.size,
      () => -1,
    );
    hash.update(`${JSON.stringify(file)} ${size}\n`);
  }
  return { count: files.length, sha256: hash.digest('hex') };
}

/** The manifest of a folder. Only the holder of the folder's lock may have one. */
export class Manifest {
  readonly #folder: string;
  readonly #content: Content;

  private constructor(folder: string, content: Content) {
    this.#folder = folder;
    this.#content = content;
  }

  /**
   * Begins a folder, or continues one that was begun with the same origin: incomplete files of a killed process are
   * removed.
   *
   * @throws UsageError if the folder has other files, or was begun with other settings, another model or other images
   */
  static async open(folder: string, origin: Origin): Promise<Manifest> {
    const found = readContent(folder);
    if (found === null) {
      const [other] = readdirSync(folder).filter((name) => !name.startsWith('.'));
      if (other !== undefined) {
        throw new UsageError(
          `${folder} is not empty (${other}) and has no ${MANIFEST}, by which a killed run could continue; ` +
            'name another folder with --out',
        );
      }
      const manifest = new Manifest(folder, { format: FORMAT, ...origin, shards: {} });
      await manifest.#write();
      return manifest;
    }
    checkSame(folder, found, origin);
    await removePartialFiles(folder);
    return new Manifest(folder, found);
  }

  /** Returns a shard that is finished and whose files are whole; undefined if it must be written. */
  async whole(shard: number): Promise<ShardEntry | undefined> {
    const entry = this.#content.shards[shard];
    if (entry === undefined) return undefined;
    const found = await this.#hashOf(entry.files).catch(() => null);
    return found === entry.sha256 ? entry : undefined;
  }

  /** Records a shard whose files have been written. */
  async add(shard: number, entry: Omit<ShardEntry, 'sha256'>): Promise<ShardEntry> {
    const added = { ...entry, sha256: await this.#hashOf(entry.files) };
    this.#content.shards[shard] = added;
    await this.#write();
    return added;
  }

  async #hashOf(files: readonly string[]): Promise<string> {
    const hash = createHash('sha256');
    for (const name of files) {
      const { bytes, sha256 } = await describeFile(join(this.#folder, name));
      hash.update(`${JSON.stringify(name)} ${bytes} ${sha256}\n`);
    }
    return hash.digest('hex');
  }

  async #write(): Promise<void> {
    await writeAtomically(join(this.#folder, MANIFEST), `${JSON.stringify(this.#content, null, 1)}\n`);
  }
}

function readContent(folder: string): Content | null {
  const path = join(folder, MANIFEST);
  if (!exists(path)) return null;
  const content = jsonIn(path) as Partial<Content> | null;
  if (content?.format === FORMAT && content.settings && content.images && content.shards) {
    return content as Content;
  }
  const newer = Number(content?.format) > FORMAT;
  throw new UsageError(
    newer
      ? `${path} was written by a newer tessera-torch; update it, or name another folder with --out`
      : `${path} is damaged; restore it from a copy, or name another folder with --out`,
  );
}

/** @throws UsageError that names the first difference */
function checkSame(folder: string, found: Content, { settings, model, images }: Origin): void {
  const way = 'repeat it with the same, or name another folder with --out';
  for (const name of new Set([...Object.keys(found.settings), ...Object.keys(settings)])) {
    const [before, now] = [found.settings[name], settings[name]].map((value) =>
      JSON.stringify(value ?? null),
    );
    if (before !== now)
      throw new UsageError(`${folder} was begun with ${name} ${before}, now it is ${now}; ${way}`);
  }
  if (found.model !== model) {
    throw new UsageError(`${folder} was begun with another model, or another checkpoint of it; ${way}`);
  }
  if (found.images.sha256 !== images.sha256) {
    const counts = found.images.count === images.count ? '' : `: ${found.images.count}, now ${images.count}`;
    throw new UsageError(`${folder} was begun with other images${counts}; ${way}`);
  }
}

/** Removes the temporary files of atomic writes that a killed process has left. */
async function removePartialFiles(folder: string): Promise<void> {
  const partial = readdirSync(folder).filter(isTemporary);
  await Promise.all(partial.map((name) => rm(join(folder, name), { force: true })));
}
