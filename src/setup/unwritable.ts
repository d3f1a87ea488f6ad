/** Codes of a place that cannot be written to, whatever is written. */
const PLACE = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'ENOENT',
  'EISDIR',
  'ENOSPC',
  'EDQUOT',
]);
const DENIED = 'ERR_ACCESS_DENIED';

/**
 * The system's error on writing below `folder` as a sentence that names the folder and the way out; any other error
 * as it is.
 */
export function unwritable(error: unknown, folder: string, wayOut: string): unknown {
  const { code, path, dest, resource, message } = (error ?? {}) as NodeJS.ErrnoException & {
    dest?: string;
    resource?: string;
  };
  const places = [path, dest, resource].filter((place) => typeof place === 'string');
  const here = places.some((place) => place.startsWith(folder) || folder.startsWith(place));
  if (code === undefined || !here || !(PLACE.has(code) || code === DENIED)) return error;
  const hint = code === DENIED ? 'let it be written with --allow-fs-write' : wayOut;
  return new Error(`${folder} cannot be written to (${message}); ${hint}`, { cause: error });
}
