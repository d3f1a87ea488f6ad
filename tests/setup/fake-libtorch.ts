import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { STAMP_FILE } from '../../src/setup/locate.js';
import type { Flavor } from '../../src/setup/locate.js';
import type { Archive } from '../../src/setup/manifest.js';
import { libraryFile, platformName } from '../../src/setup/platform.js';

export interface Member {
  name: string;
  content: string | Buffer;
  /** Unix mode; 0o120777 makes a symbolic link. */
  mode?: number;
}

/** A zip file of the given members, written as libtorch's are: deflated, sizes in the headers. */
export function zip(members: Member[]): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, mode = 0o100644 } of members) {
    const data = Buffer.from(content);
    const packed = deflateRawSync(data);
    const fileName = Buffer.from(name);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(0x800, 2);
    shared.writeUInt16LE(8, 4);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(fileName.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), shared, fileName, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    const made = Buffer.from([20, 3]);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), made, shared, tail, fileName]));
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(members.length, 4);
  end.writeUInt16LE(members.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, central, Buffer.from('PK\x05\x06', 'latin1'), end]);
}

/** Members of a libtorch archive in small, with some that set-up leaves out. */
export function libtorchMembers(top = 'libtorch', version = '2.13.0+cpu'): Member[] {
  return [
    { name: `${top}/lib/${libraryFile('c10')}`, content: 'c10' },
    { name: `${top}/lib/${libraryFile('torch_cpu')}`, content: 'torch_cpu'.repeat(1000) },
    { name: `${top}/lib/${libraryFile('torch')}`, content: 'torch' },
    { name: `${top}/lib/libgomp.so.1`, content: 'gomp' },
    { name: `${top}/lib/${libraryFile('torch_python')}`, content: 'python' },
    { name: `${top}/lib/${libraryFile('torchbind_test')}`, content: 'test' },
    { name: `${top}/lib/libshm/err.h`, content: 'shm' },
    { name: `${top}/include/ATen/ATen.h`, content: '#pragma once' },
    { name: `${top}/share/cmake/Torch/TorchConfig.cmake`, content: '' },
    { name: `${top}/build-version`, content: `${version}\n` },
  ];
}

export function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** A manifest entry for the given bytes. */
export function archive(data: Buffer, change: Partial<Archive> = {}): Archive {
  return {
    file: 'libtorch.zip',
    kind: 'zip',
    platform: platformName(),
    flavor: 'cpu',
    version: '2.13.0',
    sha256: sha256(data),
    bytes: data.length,
    unpackedBytes: 20_000,
    ...change,
  };
}

/** A temporary folder that goes with its test. */
export function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'tessera-test-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Writes an unpacked libtorch and returns its root. */
export function writeLibtorch(root: string, version = '2.13.0+cpu', flavor: Flavor = 'cpu'): string {
  const members = libtorchMembers('libtorch', version);
  if (flavor === 'cuda') members.push({ name: `libtorch/lib/${libraryFile('torch_cuda')}`, content: 'cuda' });
  for (const { name, content } of members) {
    const path = join(root, name.slice('libtorch/'.length));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  return root;
}

/** Writes a complete installation into a cache folder. */
export function writeInstalled(cache: string, version = '2.13.0', flavor: Flavor = 'cpu'): string {
  const path = join(cache, 'libtorch', `${version}-${flavor}-${platformName()}`);
  writeLibtorch(path, `${version}+${flavor}`, flavor);
  writeFileSync(join(path, STAMP_FILE), JSON.stringify({ version, flavor, sha256: null, root: '.' }));
  return path;
}
