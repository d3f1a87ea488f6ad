/** Reads the text of configuration files, in the encodings that editors and shells write. */
import { readFile } from 'node:fs/promises';
import { lostBytes } from '../torch/io/checkpoint-file.js';
import { ConfigFileError } from './file-error.js';

/**
 * Reads a configuration file: UTF-8, or UTF-16 as PowerShell writes it.
 *
 * @throws ConfigFileError if the file is missing, is a folder, or is not text; the message names the line
 */
export async function readConfigText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigFileError(`${path}: ${unreadable(path, cause)}`, { cause });
  });
  const encoding = encodingOf(bytes);
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (cause) {
    const before = bytes.toString('latin1').slice(0, bytes.toString('utf8').indexOf('\ufffd'));
    const at = encoding === 'utf-8' ? `:${before.split('\n').length}` : '';
    throw new ConfigFileError(
      `${path}${at}: this is not text in ${encoding.toUpperCase()}; save the file as UTF-8`,
      { cause },
    );
  }
  if (!text.includes('\0')) return text;
  throw new ConfigFileError(`${path}: this is not text; a configuration is YAML or JSON`);
}

function unreadable(path: string, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return `there is no such configuration file${lostBytes(path)}`;
  if (code === 'EISDIR') return 'this is a folder; name the configuration file in it';
  return code === 'EACCES' ? 'no permission to read the file' : message;
}

/** Detects the encoding by the byte order mark, or by a zero byte in the first character, which is always ASCII. */
function encodingOf([first, second]: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0)) return 'utf-16le';
  return (first === 0xfe && second === 0xff) || (first === 0 && second !== 0) ? 'utf-16be' : 'utf-8';
}
