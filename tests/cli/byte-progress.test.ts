import test from 'ava';
import { byteProgress } from '../../src/cli/byte-progress.js';

/** A stream that is a terminal or not, and what was written to it. */
function screen(isTTY: boolean) {
  const written: string[] = [];
  const stream = { isTTY, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  return { written, stream };
}

const environment = { ...process.env };
test.before(() => {
  for (const name of ['CI', 'TERM']) delete process.env[name];
});
test.after.always(() => {
  for (const name of ['CI', 'TERM'])
    if (environment[name] !== undefined) process.env[name] = environment[name];
});

test('bytes, rate and time left are shown of each file, and the line is removed', (t) => {
  const { written, stream } = screen(true);
  let time = 5000;
  const { tell, end } = byteProgress({}, stream, () => time);
  const at = (seconds: number, ...told: [string, number, number]) => {
    time = 5000 + 1000 * seconds;
    tell(...told);
  };
  at(0, 'reading a.ckpt', 1e6, 6e9);
  at(0.1, 'reading a.ckpt', 100e6, 6e9);
  t.deepEqual(written, [], 'what is done at once is not shown');
  at(2, 'reading a.ckpt', 1e9, 6e9);
  at(2.1, 'reading a.ckpt', 1.1e9, 6e9);
  at(12, 'reading a.ckpt', 6e9, 6e9);
  at(13, 'checking b', 10e6, 40e6);
  at(14, 'checking b', 20e6, 40e6);
  end();
  t.deepEqual(written, [
    '\r\x1b[Kreading a.ckpt: 1.0 GB of 6.0 GB, 500.0 MB/s, 10s left',
    '\r\x1b[Kreading a.ckpt: 6.0 GB of 6.0 GB, 500.0 MB/s, 0s left',
    '\r\x1b[Kchecking b: 20.0 MB of 40.0 MB, 20.0 MB/s, 1s left',
    '\r\x1b[K',
  ]);
});

for (const [name, flags, isTTY] of [
  ['quiet', { quiet: true }, true],
  ['json', { json: true }, true],
  ['a file', {}, false],
] as const) {
  test(`nothing is shown: ${name}`, (t) => {
    const { written, stream } = screen(isTTY);
    let time = 0;
    const { tell, end } = byteProgress(flags, stream, () => (time += 1000));
    tell('reading', 1, 3);
    tell('reading', 2, 3);
    end();
    t.deepEqual(written, []);
  });
}
