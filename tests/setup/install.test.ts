import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { InstallOptions } from '../../src/setup/stage.js';
import { installLibtorch } from '../../src/setup/install.js';
import { locateLibtorch } from '../../src/setup/locate.js';
import { checkSpace } from '../../src/setup/stage.js';
import {
  archive,
  folder,
  libtorchMembers,
  sha256,
  writeInstalled,
  writeLibtorch,
  zip,
} from './fake-libtorch.js';

const data = zip(libtorchMembers());

/** Options for an install into a fresh cache, and the lines it prints. */
function setUp(t: ExecutionContext, change: Partial<InstallOptions> = {}) {
  const cache = folder(t);
  const lines: string[] = [];
  const progress = { line: (text: string) => void lines.push(text), step() {} };
  const options: InstallOptions = { flavor: 'cpu', cache, progress, ...change };
  return { cache, lines, options, left: () => readdirSync(join(cache, 'libtorch')) };
}

const filesBelow = (root: string) =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

async function serve(
  t: ExecutionContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtorch.zip`;
}

test('from the network into the cache, once', async (t) => {
  let requests = 0;
  const url = await serve(t, (_request, response) => {
    requests++;
    response.end(data);
  });
  const { cache, options, left } = setUp(t, { archives: [archive(data, { url })] });
  const path = await installLibtorch(options);
  t.is(await installLibtorch(options), path);
  t.is(requests, 1);
  t.is(locateLibtorch({ TESSERA_CACHE: cache }).root, path);
  t.is(left().length, 1);
  t.is(JSON.parse(readFileSync(join(path, 'tessera.json'), 'utf8')).sha256, sha256(data));
  writeFileSync(join(path, 'old'), '');
  t.is(await installLibtorch({ ...options, force: true }), path);
  t.is(requests, 2);
  t.false(existsSync(join(path, 'old')));
});

test('what is complete is used without a lock, also where the cache is closed to writing', async (t) => {
  const { cache, options, left } = setUp(t);
  const path = writeInstalled(cache);
  // Nothing can be created here, whoever asks: the lock's name is taken by a folder.
  await mkdir(join(cache, 'libtorch', '.lock'));
  t.is(await installLibtorch(options), path);
  t.deepEqual(left().length, 2);
});

test('a cache that cannot be written to is named, with the way out', async (t) => {
  const file = join(folder(t), 'file');
  writeFileSync(file, '');
  for (const cache of [file, join(file, 'below')]) {
    const { options } = setUp(t);
    const error = await t.throwsAsync(installLibtorch({ ...options, cache }));
    t.regex(error.message, /libtorch cannot be written to \(.*\); set TESSERA_CACHE to a folder of yours$/);
  }
});

test('a source that fails gives way to the next with one line', async (t) => {
  const gone = await serve(t, (_request, response) => void response.writeHead(403).end());
  const altered = await serve(t, (_request, response) => response.end(Buffer.concat([data, data])));
  const good = await serve(t, (_request, response) => response.end(data));
  const archives = ['http://127.0.0.1:1/x', gone, altered, good].map((url) => archive(data, { url }));
  const { lines, options, left } = setUp(t, { archives });
  await installLibtorch(options);
  t.is(left().length, 1);
  const failures = lines.filter((line) => line.startsWith('official archive'));
  t.is(failures.length, 3);
  t.regex(failures[0] ?? '', /ECONNREFUSED|bad port/);
  t.regex(failures[1] ?? '', /the server answered 403/);
  t.true(
    failures[2]?.includes(`SHA-256 is ${sha256(Buffer.concat([data, data]))}, expected ${sha256(data)}`),
  );
});

test('when no source works, the error names them all and the way out, and nothing is left', async (t) => {
  const url = await serve(t, (_request, response) => void response.writeHead(500).end());
  const { options, left } = setUp(t, { archives: [archive(data, { url })] });
  await t.throwsAsync(installLibtorch(options), {
    message: /answered 500[^]*npx tessera-torch setup --from FILE/,
  });
  t.deepEqual(left(), []);
});

test('a transfer that breaks off is resumed', async (t) => {
  const ranges: (string | undefined)[] = [];
  const url = await serve(t, (request, response) => {
    ranges.push(request.headers.range);
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': data.length - start });
    if (start > 0) return void response.end(data.subarray(start));
    response.write(data.subarray(0, 300));
    // It breaks off when the first bytes have come to rest in the file.
    const looking = setInterval(() => {
      if (!filesBelow(cache).some((path) => statSync(path).size === 300)) return;
      clearInterval(looking);
      response.destroy();
    }, 5);
    response.on('close', () => clearInterval(looking));
  });
  const { cache, options, lines } = setUp(t, { archives: [archive(data, { url })] });
  await installLibtorch(options);
  t.deepEqual(ranges, [undefined, 'bytes=300-']);
  t.true(lines.some((line) => line.includes('resuming')));
});

test('two runs at once: one installs, the other waits for it', async (t) => {
  let requests = 0;
  const url = await serve(t, (_request, response) => {
    requests++;
    setTimeout(() => response.end(data), 100);
  });
  const { options, lines } = setUp(t, { archives: [archive(data, { url })] });
  const [first, second] = await Promise.all([installLibtorch(options), installLibtorch(options)]);
  t.is(first, second);
  t.is(requests, 1);
  t.is(lines.filter((line) => line.includes('another set-up is running')).length, 1);
});

test('an interrupted run leaves nothing, at whichever step', async (t) => {
  const url = await serve(t, (_request, response) => response.end(data));
  for (const stop of ['downloading', 'unpacking']) {
    const controller = new AbortController();
    const step = (label: string) => label === stop && controller.abort(new Error('interrupted'));
    const { options, left } = setUp(t, { archives: [archive(data, { url })], signal: controller.signal });
    await t.throwsAsync(installLibtorch({ ...options, progress: { line() {}, step } }), {
      message: /interrupted|abort/,
    });
    t.deepEqual(left(), []);
  }
});

test('what a killed run left is cleared away', async (t) => {
  const file = join(folder(t), 'libtorch.zip');
  writeFileSync(file, data);
  const { cache, options, left } = setUp(t, { archives: [archive(data)], from: file });
  await mkdir(join(cache, 'libtorch', '.staging-old', 'tree'), { recursive: true });
  const lock = JSON.stringify({ pid: 2 ** 30, host: hostname(), token: 'x' });
  writeFileSync(join(cache, 'libtorch', '.lock'), lock);
  await installLibtorch(options);
  t.is(left().length, 1);
});

test('--from takes a listed file, or a folder that holds one, and refuses another', async (t) => {
  const home = folder(t);
  const file = join(home, 'libtorch.zip');
  writeFileSync(file, data);
  const archives = [archive(data)];
  for (const from of [file, home]) {
    const { options } = setUp(t, { archives, from });
    t.true(existsSync(join(await installLibtorch(options), 'include')));
  }
  const damaged = Buffer.from(data);
  damaged[60] = 0xff ^ (damaged[60] ?? 0);
  writeFileSync(file, damaged);
  const { options, left } = setUp(t, { archives, from: file });
  const error = await t.throwsAsync(installLibtorch(options));
  t.true(error.message.includes(sha256(damaged)) && error.message.includes(sha256(data)));
  t.deepEqual(left(), []);
});

test('--from with an unknown file needs --allow-unverified, and its version must fit', async (t) => {
  const file = join(folder(t), 'other.zip');
  writeFileSync(file, data);
  const { options } = setUp(t, { archives: [], from: file });
  await t.throwsAsync(installLibtorch(options), { message: /not one of the known .*--allow-unverified/ });
  t.true((await installLibtorch({ ...options, allowUnverified: true })).includes('2.13.0-cpu'));
  writeFileSync(file, zip(libtorchMembers('libtorch', '2.9.0')));
  await t.throwsAsync(installLibtorch({ ...options, allowUnverified: true }), {
    message: /2\.9\.0; .* 2\.13\.0/,
  });
  writeFileSync(file, zip([{ name: 'readme', content: '' }]));
  await t.throwsAsync(installLibtorch({ ...options, allowUnverified: true }), {
    message: /version|no libtorch/,
  });
});

test('--from an unpacked libtorch copies what is needed', async (t) => {
  const { options } = setUp(t, { from: writeLibtorch(folder(t)) });
  const path = await installLibtorch(options);
  t.deepEqual(readdirSync(path).sort(), ['build-version', 'include', 'lib', 'tessera.json']);
  t.is(readdirSync(join(path, 'lib')).length, 4);
  await t.throwsAsync(installLibtorch({ ...options, from: '/nowhere' }), {
    message: /no such file or folder/,
  });
  await t.throwsAsync(installLibtorch({ ...options, from: folder(t) }), { message: /contains neither/ });
});

test('a platform without downloads says so', async (t) => {
  const { options } = setUp(t, { archives: [] });
  await t.throwsAsync(installLibtorch(options), { message: /no cpu libtorch is listed .* LIBTORCH/ });
});

test('too little disk space is said before anything is fetched', async (t) => {
  await t.throwsAsync(checkSpace(folder(t), 1e18), {
    message: /not enough disk space: .* needed .* TESSERA_CACHE/,
  });
});
