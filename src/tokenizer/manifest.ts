/** The list of a token set's finished shards, by which encode continues and by which a set is read. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { TOKEN_LIST } from '../data/files/token-folder.js';
import { exists, jsonIn } from '../files/look.js';
import { describeFile } from '../runs/checkpoint.js';

/** Raised when older versions could not read the folder. */
export const FORMAT = 1;

/** Images per shard if encode is not given another number. */
export const SHARD = 1000;

/** A finished shard. */
export interface ShardEntry {
  images: number;
  /** Names of the token files; none if no image of the shard could be used. */
  files: readonly string[];
  /** Of the names, sizes and contents of the files: one hash, as there may be a file for each image. */
  sha256: string;
  leftOut?: { file: string; reason: string }[];
}

/** Origin of token files: everything they depend on. A resumed run must have the same. */
export interface Origin {
  /** Flags that change the content of the files, by their names. */
  settings: Record<string, unknown>;
  /** SHA-256 of the weights. */
  model: string;
  /** The images: their number, and the SHA-256 of what identifies them. */
  images: { count: number; sha256: string };
  /** Of a set for training: rows of ids of each image, the names of the classes, and whether its source has a split. */
  training?: { views: number; classes: readonly string[]; split?: true };
}

export interface ManifestContent extends Origin {
  format: number;
  /** Finished shards by number. */
  shards: Record<string, ShardEntry>;
}

/** Reads the list in a folder; null if there is none, and `newer` or `damaged` for one that cannot be used. */
export function readManifest(folder: string): ManifestContent | 'newer' | 'damaged' | null {
  const path = join(folder, TOKEN_LIST);
  if (!exists(path)) return null;
  const content = jsonIn(path) as Partial<ManifestContent> | null;
  if (content?.format === FORMAT && content.settings && content.images && content.shards) {
    return content as ManifestContent;
  }
  return Number(content?.format) > FORMAT ? 'newer' : 'damaged';
}

/** Returns the hash of a shard's files. @throws the system's error for a file that cannot be read */
export async function hashOfShard(folder: string, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const name of files) {
    const { bytes, sha256 } = await describeFile(join(folder, name));
    hash.update(`${JSON.stringify(name)} ${bytes} ${sha256}\n`);
  }
  return hash.digest('hex');
}
