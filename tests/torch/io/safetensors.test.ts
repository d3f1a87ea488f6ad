import test from 'ava';
import fc from 'fast-check';
import { CheckpointError } from '../../../src/torch/io/checkpoint-error.js';
import type { CheckpointProblem } from '../../../src/torch/io/checkpoint-error.js';
import { buildHeader, MAX_HEADER, parseHeader, readHeaderLength } from '../../../src/torch/io/safetensors.js';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const bytes = (n: bigint | number): Uint8Array => {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(n), true);
  return out;
};
const entry = (dtype: string, shape: unknown, begin: unknown, end: unknown): string =>
  `{"dtype":"${dtype}","shape":${JSON.stringify(shape)},"data_offsets":[${String(begin)},${String(end)}]}`;
const good = entry('F32', [2], 0, 8);

// Header, size of the data behind it, and what is wrong.
const faults: [string, string | Uint8Array, number, CheckpointProblem][] = [
  ['not UTF-8', new Uint8Array([0x7b, 0xff, 0x7d]), 0, 'header-encoding'],
  ['byte order mark', '\uFEFF{}', 0, 'header-structure'],
  ['array', '[]', 0, 'header-structure'],
  ['empty', '', 0, 'header-structure'],
  ['leading space', ' {}', 0, 'header-structure'],
  ['cut off', '{"a":', 0, 'header-json'],
  ['string without end', '{"a', 0, 'header-json'],
  ['bad escape', '{"\\x":1}', 0, 'header-json'],
  ['two objects', '{}{}', 0, 'header-json'],
  ['literal', '{"a":null}', 0, 'header-json'],
  ['fraction', `{"a":${entry('F32', [2], '0.0', 8)}}`, 8, 'header-json'],
  ['exponent', `{"a":${entry('F32', [2], 0, '8e0')}}`, 8, 'header-json'],
  ['negative', `{"a":${entry('F32', [-2], 0, 8)}}`, 8, 'header-json'],
  ['too deep', '{"a":{"shape":[[1]]}}', 8, 'header-structure'],
  ['entry is a list', '{"a":[1]}', 0, 'header-structure'],
  ['entry is a number', '{"a":1}', 0, 'header-structure'],
  ['unknown field', '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}', 8, 'header-structure'],
  ['missing dtype', '{"a":{"shape":[2],"data_offsets":[0,8]}}', 8, 'dtype'],
  ['unknown dtype', `{"a":${entry('F31', [2], 0, 8)}}`, 8, 'dtype'],
  ['dtype of the prototype', `{"a":${entry('constructor', [2], 0, 8)}}`, 8, 'dtype'],
  ['missing shape', '{"a":{"dtype":"F32","data_offsets":[0,8]}}', 8, 'shape'],
  ['shape is a number', `{"a":${entry('F32', 2, 0, 8)}}`, 8, 'shape'],
  ['shape with a string', `{"a":${entry('F32', ['2'], 0, 8)}}`, 8, 'shape'],
  ['size beyond 2^53', '{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,8]}}', 8, 'shape'],
  ['product beyond 2^64', `{"a":${entry('F32', [2 ** 40, 2 ** 40], 0, 8)}}`, 8, 'overflow'],
  ['product beyond 2^64 before a zero', `{"a":${entry('F32', [2 ** 40, 2 ** 40, 0], 0, 0)}}`, 0, 'overflow'],
  ['bytes beyond 2^53', `{"a":${entry('F64', [2 ** 52], 0, 8)}}`, 8, 'overflow'],
  ['part of a byte', `{"a":${entry('F4', [3], 0, 1)}}`, 1, 'overflow'],
  ['missing offsets', '{"a":{"dtype":"F32","shape":[2]}}', 8, 'offset'],
  ['one offset', '{"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}}', 8, 'offset'],
  ['ends before it starts', `{"a":${entry('F32', [0], 8, 0)}}`, 8, 'offset'],
  ['wrong size', `{"a":${entry('F32', [3], 0, 8)}}`, 8, 'tensor-size'],
  ['gap at the start', `{"a":${entry('F32', [2], 8, 16)}}`, 16, 'offset'],
  ['gap between', `{"a":${good},"b":${entry('F32', [2], 16, 24)}}`, 24, 'offset'],
  ['overlap', `{"a":${good},"b":${entry('F32', [2], 4, 12)}}`, 12, 'offset'],
  ['same place twice', `{"a":${good},"b":${good}}`, 8, 'offset'],
  ['data left over', `{"a":${good}}`, 9, 'incomplete-buffer'],
  ['data cut off', `{"a":${good}}`, 7, 'incomplete-buffer'],
  ['data without tensors', '{}', 1, 'incomplete-buffer'],
  ['duplicate key', `{"a":${good},"a":${good}}`, 8, 'duplicate-key'],
  ['duplicate key, escaped', `{"a":${good},"\\u0061":${good}}`, 8, 'duplicate-key'],
  [
    'duplicate field',
    '{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}',
    8,
    'duplicate-key',
  ],
  ['lone surrogate', `{"\\ud800":${good}}`, 8, 'header-encoding'],
  ['metadata is a string', '{"__metadata__":"x"}', 0, 'metadata'],
  ['metadata with a number', '{"__metadata__":{"a":1}}', 0, 'metadata'],
];

for (const [name, header, size, problem] of faults) {
  test(`refused: ${name}`, (t) => {
    const error = t.throws(() => parseHeader(typeof header === 'string' ? encode(header) : header, size), {
      instanceOf: CheckpointError,
    });
    t.is(error?.problem, problem, error?.message);
  });
}

test('header lengths', (t) => {
  const problem = (start: Uint8Array, size: number): string | undefined =>
    t.throws(() => readHeaderLength(start, size), { instanceOf: CheckpointError })?.problem;
  t.is(problem(new Uint8Array(7), 7), 'header-too-small');
  t.is(problem(bytes(MAX_HEADER + 1), 2 ** 40), 'header-too-large');
  t.is(problem(bytes(2n ** 64n - 1n), 100), 'header-too-large');
  t.is(problem(bytes(93), 100), 'header-length');
  t.is(readHeaderLength(bytes(92), 100), 92);
});

test('whitespace, any order, empty tensors and keys that look like properties are fine', (t) => {
  const header = `{ "__proto__" : ${entry('F64', [1], 8, 16)},\n"b":${entry('U8', [0, 3], 8, 8)},"":${good},"__metadata__":{"__proto__":"x"}}   `;
  const { entries, metadata } = parseHeader(encode(header), 16);
  t.deepEqual([...entries.keys()], ['', 'b', '__proto__']);
  t.deepEqual(Object.entries(metadata), [['__proto__', 'x']]);
});

test('a very long string does not exhaust the stack', (t) => {
  const { entries } = parseHeader(encode(`{"${'\\\\'.repeat(3_000_000)}":${good}}`), 8);
  t.is([...entries.keys()][0]?.length, 3_000_000);
});

const formats: Record<string, number> = {
  BOOL: 8,
  U8: 8,
  I16: 16,
  BF16: 16,
  F32: 32,
  I64: 64,
  C64: 64,
  F4: 4,
  F8_E4M3: 8,
};

const layouts = fc
  .uniqueArray(fc.string({ unit: 'binary', maxLength: 12 }), { maxLength: 8 })
  .map((names) => names.filter((name) => name !== '__metadata__'))
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.record({
          name: fc.constant(name),
          format: fc.constantFrom(...Object.keys(formats)),
          shape: fc.array(fc.nat(6), { maxLength: 4 }),
        }),
      ),
    ),
  )
  .map((tensors) =>
    tensors
      .map(({ name, format, shape }) => {
        const bits = shape.reduce((a, b) => a * b, formats[format] as number);
        return [name, { format, shape, byteLength: bits / 8 }] as const;
      })
      .filter(([, { byteLength }]) => Number.isInteger(byteLength)),
  );

const metadata = fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), { maxKeys: 3 });

test('what is written is read back', (t) => {
  fc.assert(
    fc.property(layouts, metadata, (tensors, strings) => {
      const header = buildHeader(tensors, strings);
      const size = tensors.reduce((sum, [, { byteLength }]) => sum + byteLength, 0);
      const length = readHeaderLength(header, header.length + size);
      t.is(length % 8, 0);
      t.is(length, header.length - 8);
      const parsed = parseHeader(header.subarray(8), size);
      t.deepEqual({ ...parsed.metadata }, { ...strings });
      t.deepEqual(
        new Map(
          [...parsed.entries].map(([name, { format, shape, begin, end }]) => [
            name,
            { format, shape, byteLength: end - begin },
          ]),
        ),
        new Map(tensors.map(([name, tensor]) => [name, tensor])),
      );
    }),
    { numRuns: 300 },
  );
});

/** What must hold of every header that is accepted, whatever it was. */
function checkAccepted(header: Uint8Array, size: number): boolean {
  let parsed;
  try {
    parsed = parseHeader(header, size);
  } catch (error) {
    if (error instanceof CheckpointError) return false;
    throw error;
  }
  const covered = [...parsed.entries.values()].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { begin, end, shape, format } of covered) {
    if (begin !== position || end < begin) throw new Error('gap or overlap accepted');
    const bits = formats[format];
    if (bits !== undefined && shape.reduce((a, b) => a * b, bits) !== (end - begin) * 8)
      throw new Error('wrong size');
    position = end;
  }
  if (position !== size) throw new Error('data not covered');
  return true;
}

test('mutated headers are refused, or cover the data exactly', (t) => {
  const mutation = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('set', 'flip', 'delete', 'insert', 'digit'),
    value: fc.nat(255),
  });
  let accepted = 0;
  fc.assert(
    fc.property(
      layouts,
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: -2, max: 2 }),
      (tensors, mutations, change) => {
        const header = [...buildHeader(tensors).subarray(8)];
        for (const { at, kind, value } of mutations) {
          const i = at % header.length;
          if (kind === 'set') header[i] = value;
          else if (kind === 'flip') header[i] = (header[i] as number) ^ (1 << (value % 8));
          else if (kind === 'digit') header[i] = 0x30 + (value % 10);
          else header.splice(i, kind === 'delete' ? 1 : 0, ...(kind === 'delete' ? [] : [value]));
        }
        const size = tensors.reduce((sum, [, { byteLength }]) => sum + byteLength, change > 1 ? 1 : 0);
        if (checkAccepted(Uint8Array.from(header), size)) accepted++;
      },
    ),
    { numRuns: 3000 },
  );
  t.true(accepted > 0, 'some mutations are harmless');
});

test('random bytes and random JSON are refused with a typed error', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(64),
      (header, size) => void checkAccepted(header, size),
    ),
  );
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), fc.nat(64), (json, size) => void checkAccepted(encode(json), size)),
  );
  t.pass();
});
