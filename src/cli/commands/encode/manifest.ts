/** The list of finished shards in an output folder, by which a killed run continues. */
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TOKEN_LIST } from '../../../data/files/token-folder.js';
import { writeAtomically } from '../../../files/atomic-file.js';
import { systemPath } from '../../../files/file-names.js';
import { isTemporary } from '../../../files/temporary.js';
import {
  FORMAT,
  hashOfShard,
  readManifest,
  type ManifestContent,
  type Origin,
  type ShardEntry,
} from '../../../tokenizer/manifest.js';
import { UsageError } from '../../usage-error.js';

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
  readonly #content: ManifestContent;

  private constructor(folder: string, content: ManifestContent) {
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
          `${folder} is not empty (${other}) and has no ${TOKEN_LIST}, by which a killed run could continue; ` +
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
    const found = await hashOfShard(this.#folder, entry.files).catch(() => null);
    return found === entry.sha256 ? entry : undefined;
  }

  /** Records a shard whose files have been written. */
  async add(shard: number, entry: Omit<ShardEntry, 'sha256'>): Promise<ShardEntry> {
    const added = { ...entry, sha256: await hashOfShard(this.#folder, entry.files) };
    this.#content.shards[shard] = added;
    await this.#write();
    return added;
  }

  async #write(): Promise<void> {
    await writeAtomically(join(this.#folder, TOKEN_LIST), `${JSON.stringify(this.#content, null, 1)}\n`);
  }
}

function readContent(folder: string): ManifestContent | null {
  const content = readManifest(folder);
  if (content !== 'newer' && content !== 'damaged') return content;
  const path = join(folder, TOKEN_LIST);
  throw new UsageError(
    content === 'newer'
      ? `${path} was written by a newer tessera-torch; update it, or name another folder with --out`
      : `${path} is damaged; restore it from a copy, or name another folder with --out`,
  );
}

/** @throws UsageError that names the first difference */
function checkSame(folder: string, found: ManifestContent, { settings, model, images }: Origin): void {
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
