/** Recognises the folders of tokens that encode writes, which are not images. */
import { join } from 'node:path';
import { isTree } from '../../config/schema.js';
import { isFile, jsonIn } from '../../files/look.js';

/** Name of the list of a token set's finished shards. */
export const TOKEN_LIST = 'tokens.json';

/** True if a path is the folder of a token set, finished or not, or damaged. */
export function isTokenFolder(path: string): boolean {
  const file = join(path, TOKEN_LIST);
  if (!isFile(file)) return false;
  const content = jsonIn(file);
  return content === null || (isTree(content) && 'format' in content);
}
