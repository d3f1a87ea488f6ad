/** Writes tar archives for tests. */

/** Bytes of a member: header and content, padded to blocks. */
export function member(name: string, content: Uint8Array | string, kind = '0'): Buffer {
  const bytes = Buffer.from(content);
  const header = Buffer.alloc(512);
  header.write(name, 0, 'latin1');
  header.write('0000644\0', 100);
  header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write(kind, 156);
  header.write('ustar\x0000', 257);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** An archive of files, by name. */
export function tarOf(files: Readonly<Record<string, Uint8Array | string>>): Buffer {
  return Buffer.concat([
    ...Object.entries(files).map(([name, content]) => member(name, content)),
    Buffer.alloc(1024),
  ]);
}
