/** Error codes of a location that cannot be written to, whatever the content. */
const PLACE = new Set('EACCES EPERM EROFS ENOTDIR EEXIST ENOENT EISDIR ENOSPC EDQUOT'.split(' '));
const DENIED = 'ERR_ACCESS_DENIED';

/**
 * Turns the system's error on writing below `folder` into one that names the folder and what to do; returns any other
 * error unchanged.
 */
export function unwritable(error: unknown, folder: string, wayOut: string): unknown {
  const { code, path, dest, resource, message } = (error ?? {}) as NodeJS.ErrnoException & {
    dest?: string;
    resource?: string;
  };
  const places = [path, dest, resource].filter((place) => typeof place === 'string');
  const here = places.some((place) => place.startsWith(folder) || folder.startsWith(place));
  if (code === undefined || !here || !(PLACE.has(code) || code === DENIED)) return error;
  const hint = code === DENIED ? 'allow it with --allow-fs-write' : wayOut;
  return new Error(`${folder} cannot be written to (${message}); ${hint}`, { cause: error });
}
