/** Reasons of system errors in words, by error code, for messages. */
export const systemReasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'part of the path is a file, not a folder',
  EISDIR: 'this is a folder, not a file',
  EEXIST: 'it already exists',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'the symbolic links form a cycle',
  EMFILE: 'too many files are open; raise the limit with: ulimit -n 4096',
  ENFILE: 'the system has too many files open',
  EIO: 'the disk reports an error',
  EBUSY: 'it is in use',
};
