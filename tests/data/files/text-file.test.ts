import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { ImageDataError } from '../../../src/data/image-error.js';
import { openImages } from '../../../src/data/open-images.js';
import { decodeText } from '../../../src/data/files/text-file.js';
import { folderFor, plain } from '../pictures/pictures.js';

const littleEndian = (text: string) => Buffer.from(text, 'utf16le');
const bigEndian = (text: string) => Buffer.from(text, 'utf16le').swap16();

const encodings: [string, (text: string) => Buffer][] = [
  ['UTF-8', (text) => Buffer.from(text)],
  ['UTF-8 with a mark', (text) => Buffer.from(`\ufeff${text}`)],
  ['UTF-16, little-endian, with a mark', (text) => littleEndian(`\ufeff${text}`)],
  ['UTF-16, big-endian, with a mark', (text) => bigEndian(`\ufeff${text}`)],
  ['UTF-16, little-endian', littleEndian],
  ['UTF-16, big-endian', bigEndian],
];

for (const [encoding, encode] of encodings) {
  test(`a list of files in ${encoding} is read, whatever ends its lines`, async (t) => {
    const folder = await folderFor(t);
    const files = ['a.png', 'é写.png'];
    for (const [i, file] of files.entries())
      await plain(8, 8, { r: i, g: 0, b: 0 }).png().toFile(join(folder, file));
    for (const end of ['\n', '\r\n', '\r']) {
      const list = join(folder, 'list.txt');
      await writeFile(list, encode(`# two${end}${files.join(end)}${end}`));
      const { train } = await openImages({ path: list, size: 4, heldOut: 0 });
      t.deepEqual(
        [0, 1].map((i) => basename(train.name(i))),
        files,
      );
    }
  });
}

const binaries: [string, () => Buffer | Promise<Buffer>, RegExp][] = [
  ['an image', () => plain(8, 8, '#000000').png().toBuffer(), /this is an image \(PNG\)/],
  ['a JPEG', () => plain(8, 8, '#000000').jpeg().toBuffer(), /this is an image \(JPEG\)/],
  ['a gzip file', () => gzipSync('a.png\n'.repeat(99)), /this is a gzip file; unpack it/],
  ['a zip file', () => Buffer.from('PK\x03\x04\x14\0\0\0', 'latin1'), /this is a zip file/],
  ['UTF-32', () => Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), /this is UTF-32 text; save it as UTF-8/],
  ['numbers', () => Buffer.from(Float64Array.of(1.5, -2.25, 3e9).buffer), /this is a binary file/],
  ['half a character of UTF-16', () => Buffer.from([0xff, 0xfe, 0x61]), /this is damaged UTF-16 text/],
  ['zeros', () => Buffer.alloc(64), /this is a binary file/],
];

for (const [what, make, message] of binaries) {
  test(`${what} given as a list is called by its name`, async (t) => {
    const list = join(await folderFor(t), 'list.txt');
    await writeFile(list, await make());
    const error = await t.throwsAsync(openImages({ path: list, size: 4 }), {
      instanceOf: ImageDataError,
      message,
    });
    t.regex(error.message, /a list is a text file with one path per line$/);
  });
}

test('an empty text is text', (t) => {
  t.is(decodeText(Buffer.alloc(0)), '');
});
