/** Checkpoint files made to harm, and pickles of random opcodes. */
import type { Attack, Random } from './checkpoint-damage.js';
import { zipOf } from './zip-of.js';
import type { ZipPart } from './zip-of.js';

const opcodes = Buffer.from(
  '().012FNQRSTUVXIJKLMabcdeghijlopqrstu]}\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96',
  'latin1',
);
const snippets = [
  'cos\nsystem\n',
  'ctorch._utils\n_rebuild_tensor_v2\n',
  'ccollections\nOrderedDict\n',
  'ctorch\nFloatStorage\n',
  'cbuiltins\nlist\n',
  'cnumpy.core.multiarray\n_reconstruct\n',
  'cnumpy\ndtype\n',
  'X\x01\0\0\0a',
  'K\x01',
  'U\x01x',
  'q\x01',
  'h\x01',
  '(K\x01K\x02t',
  '](K\x01e',
  '}(X\x01\0\0\0aK\x01u',
];

/** A pickle of random opcodes, many of which fit together. */
export function randomPickle(random: Random, canary: string): Attack {
  const chunks: Buffer[] = [Buffer.from('\x80\x02', 'latin1')];
  for (let i = random.below(200); i > 0; i--) {
    chunks.push(
      random.below(3) === 0
        ? Buffer.from(
            [opcodes[random.below(opcodes.length)]!, random.below(256)].slice(0, 1 + random.below(2)),
          )
        : Buffer.from(random.of([...snippets, text(`touch ${canary}`)]), 'latin1'),
    );
  }
  chunks.push(Buffer.from('.'));
  return asCheckpoint('random opcodes', Buffer.concat(chunks), random.below(2) === 0);
}

/** A pickle as the value of a checkpoint, in the zip or the old format. */
function asCheckpoint(name: string, pickle: Buffer, zip: boolean, storages: readonly ZipPart[] = []): Attack {
  const bytes = zip
    ? zipOf([
        { name: 'a/data.pkl', bytes: pickle },
        ...storages,
        { name: 'a/version', bytes: Buffer.from('3\n') },
      ])
    : Buffer.concat([legacyStart, pickle, Buffer.from('\x80\x02]q\x01.', 'latin1')]);
  return { name: `${name} (${zip ? 'zip' : 'old'})`, bytes, detectable: false };
}

const legacyStart = Buffer.from(
  '\x80\x02\x8a\x0al\xfc\x9cF\xf9\x20j\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}X\x0d\0\0\0little_endian\x88s.',
  'latin1',
);

function text(value: string): string {
  return `X${length32(value.length)}${value}`;
}

function length32(length: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes.toString('latin1');
}

function integer(value: bigint): string {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64LE(BigInt.asIntN(64, value), 0);
  bytes.writeBigInt64LE(value >> 64n, 8);
  return `\x8a\x10${bytes.toString('latin1')}`;
}

/** `_rebuild_tensor_v2` of a storage of `count` floats. */
function tensor(count: bigint, offset: bigint, shape: readonly bigint[], strides: readonly bigint[]): string {
  const sizes = (values: readonly bigint[]) => `(${values.map(integer).join('')}t`;
  return (
    `ctorch._utils\n_rebuild_tensor_v2\n((${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}${integer(count)}tQ` +
    `${integer(offset)}${sizes(shape)}${sizes(strides)}\x89ccollections\nOrderedDict\n)RtR`
  );
}

/** Files made to harm: to run a command, to fill memory, to hang, to reach outside a storage. */
export function attacks(canary: string): Attack[] {
  const command = `touch ${canary}`;
  const call = (module: string, name: string, ...args: string[]) =>
    `c${module}\n${name}\n(${args.map(text).join('')}tR`;
  const k = 1n << 10n;
  const many = 100_000;
  const pickles: Record<string, string> = {
    'os.system': call('os', 'system', command),
    'posix.system': call('posix', 'system', command),
    'nt.system': call('nt', 'system', command),
    'subprocess.Popen': `csubprocess\nPopen\n(${text(command)}I01\ntR`,
    'subprocess.getoutput': call('subprocess', 'getoutput', command),
    'builtins.eval': call('builtins', 'eval', `__import__('os').system('${command}')`),
    'builtins.exec': call('builtins', 'exec', `import os; os.system('${command}')`),
    '__builtin__.eval': call('__builtin__', 'eval', `__import__('os').system('${command}')`),
    'builtins.getattr': `cbuiltins\ngetattr\n(cos\nsystem\n${text('__call__')}tR(${text(command)}tR`,
    'child_process.execSync': call('child_process', 'execSync', command),
    require: call('node', 'require', 'child_process'),
    'constructor.constructor': call(
      'constructor',
      'constructor',
      `process.mainModule.require('fs').writeFileSync('${canary}','')`,
    ),
    '__proto__ polluted': `}(${text('__proto__')}}(${text('polluted')}\x88uu`,
    'constructor.prototype': `}(${text('constructor')}}(${text('prototype')}}(${text('polluted')}\x88uuu`,
    'torch.hub': call('torch.hub', 'load', 'a/b', command),
    'torch.jit': call('torch.jit', 'load', canary),
    runpy: call('runpy', 'run_path', canary),
    INST: `(${text(command)}ios\nsystem\n`,
    OBJ: `(cos\nsystem\n${text(command)}o`,
    NEWOBJ: `cos\nsystem\n${text(command)}\x85\x81`,
    STACK_GLOBAL: `${text('os')}${text('system')}\x93${text(command)}\x85R`,
    BUILD: `ccollections\nOrderedDict\n)R}(${text('__class__')}cos\nsystem\nub`,
    'module persistent id': `(${text('module')}cos\nsystem\n${text(canary)}${text(command)}tQ`,
    _rebuild_from_type_v2: `ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\ncos\nsystem\n(${text(command)}tNtR`,
    'deep lists': `${']'.repeat(many)}${'a'.repeat(many - 1)}`,
    'deep tuples': `)${'\x85'.repeat(many)}`,
    'deep dictionaries': `${`}${text('a')}`.repeat(many)}N${'s'.repeat(many)}`,
    'deep tuples as keys': `}${')'}${'\x85'.repeat(many)}Ns`,
    marks: '('.repeat(many * 10),
    'doubling lists': `]q\0${Array.from({ length: 200 }, (_, i) => `](h${char(i)}h${char(i)}eq${char(i + 1)}0`).join('')}0h${char(200)}`,
    'doubling tensors': `](${tensor(4n, 0n, [4n], [1n])}eq\0${Array.from({ length: 200 }, (_, i) => `](h${char(i)}h${char(i)}eq${char(i + 1)}0`).join('')}0h${char(200)}`,
    'doubling keys': `)q\0${Array.from({ length: 200 }, (_, i) => `h${char(i)}h${char(i)}\x86q${char(i + 1)}0`).join('')}0}h${char(200)}Ns`,
    'doubling strings': `${text('x'.repeat(60_000))}q\x000](${'h\0'.repeat(500_000)}e`,
    'long names without end': `${text('x'.repeat(60_000))}q\x000${tensor(4n, 0n, [4n], [1n])}q\x010](${'}h\0h\x01s'.repeat(50_000)}e`,
    'endless list calls': `](${'K\x01'.repeat(10_000)}eq\0](${'cbuiltins\nlist\n(h\0tR'.repeat(20_000)}e`,
    'endless dictionaries': `}(${Array.from({ length: 1000 }, (_, i) => `M${char(i & 255)}${char(i >> 8)}N`).join('')}uq\0](${'ccollections\nOrderedDict\n(h\0tR'.repeat(20_000)}e`,
    'endless memo': `]${'\x94'.repeat(3_000_000)}`,
    'endless lists': `](${']'.repeat(3_000_000)}e`,
    'endless dictionary': `}(${Array.from({ length: 300_000 }, (_, i) => `J${length32(i)}N`).join('')}u`,
    'long memo index': 'Nr\xff\xff\xff\xff',
    'string of 4 GB': `X\xff\xff\xff\xff`,
    'string of 2⁶³ bytes': `\x8d\0\0\0\0\0\0\0\x80`,
    'bytes of 2⁶³': `\x8e\xff\xff\xff\xff\xff\xff\xff\x7f`,
    'integer of 4 GB': '\x8b\xff\xff\xff\xff',
    'integer of many digits': `L${'9'.repeat(3_000_000)}L\n`,
    'float of many digits': `F${'9'.repeat(3_000_000)}\n`,
    'line without end': `c${'a'.repeat(3_000_000)}`,
    'frame of 2⁶³': '\x95\xff\xff\xff\xff\xff\xff\xff\xffN',
    'shape 2⁶³': tensor(4n, 0n, [2n ** 63n], [1n]),
    'shape −1': tensor(4n, 0n, [-1n], [1n]),
    'shape 2⁵³': tensor(4n, 0n, [2n ** 53n], [0n]),
    'shapes that overflow': tensor(4n, 0n, [2n ** 32n, 2n ** 32n], [0n, 0n]),
    'shape 2⁵², repeated': tensor(4n, 0n, [2n ** 52n], [0n]),
    'strides 2⁶³': tensor(4n, 0n, [2n], [2n ** 63n - 1n]),
    'stride −1': tensor(4n, 3n, [4n], [-1n]),
    'strides that overflow': tensor(4n, 0n, [k, k], [2n ** 50n, 2n ** 50n]),
    'offset outside': tensor(4n, 4n, [1n], [1n]),
    'offset −1': tensor(4n, -1n, [1n], [1n]),
    'view outside': tensor(4n, 0n, [5n], [1n]),
    'storage of 2⁶²': tensor(2n ** 62n, 0n, [4n], [1n]),
    'more storage than there is': tensor(5n, 0n, [5n], [1n]),
    'dimensions without end': tensor(
      4n,
      0n,
      Array(5000).fill(1n) as bigint[],
      Array(5000).fill(1n) as bigint[],
    ),
    'item of a tuple': `)${text('a')}Ns`,
    'item of a number': `K\x01${text('a')}Ns`,
    'append to a dictionary': '}Na',
    'state of a list': ']}b',
    'list as key': '}]Ns',
    'recall of nothing': 'h\x05',
    'pop of nothing': '0',
    extension: '\x82\x01',
    buffer: '\x97',
    'two values left': 'NN',
    'protocol 9': '\x80\x09N',
    'NumPy array too short': `cnumpy.core.multiarray\n_reconstruct\n(tR(K\x01K\x04\x85cnumpy\ndtype\n(${text('f8')}tR\x89c_codecs\nencode\n(${text('abc')}${text('latin1')}tRtb`,
    'itself in itself': '}q\0(X\x01\0\0\0ah\0u',
  };
  const storage = { name: 'a/data/0', bytes: Buffer.alloc(16) };
  const list = Object.entries(pickles).flatMap(([name, body]) => {
    const value = Buffer.from(`\x80\x02${body}.`, 'latin1');
    return [asCheckpoint(name, value, true, [storage]), asCheckpoint(name, value, false)];
  });
  return [...list, ...zipAttacks(), ...safetensorsAttacks()];
}

function char(code: number): string {
  return String.fromCharCode(code);
}

function zipAttacks(): Attack[] {
  const value = Buffer.from(`\x80\x02}(${text('t')}${tensor(4n, 0n, [4n], [1n])}u.`, 'latin1');
  const pickle = { name: 'a/data.pkl', bytes: value };
  const storage = { name: 'a/data/0', bytes: Buffer.alloc(16) };
  const bomb = Buffer.alloc(64e6);
  const nops = Buffer.concat([
    Buffer.from('\x80\x02', 'latin1'),
    Buffer.alloc(12e6, 'N0'),
    Buffer.from('N.'),
  ]);
  const zips: Record<string, ZipPart[]> = {
    'zip bomb': [{ name: 'a/data.pkl', bytes: bomb, deflated: true }, storage],
    'zip bomb that lies': [{ name: 'a/data.pkl', bytes: bomb, deflated: true, size: 1000 }, storage],
    'pickle bomb': [{ name: 'a/data.pkl', bytes: nops, deflated: true }, storage],
    'bomb as storage': [pickle, { name: 'a/data/0', bytes: bomb, deflated: true, size: 16 }],
    'bomb as byte order': [pickle, storage, { name: 'a/byteorder', bytes: bomb, deflated: true }],
    'two names, one place': [pickle, storage, { ...storage, name: 'a/data/1', start: 0 }],
    'entries inside entries': [pickle, { ...storage, start: 10 }],
    'entry behind the file': [pickle, { ...storage, start: 0x7fffffff }],
    'entry of 2 GB': [pickle, { ...storage, size: 0x7fffffff }],
    'entry of 2³² − 1': [pickle, { ...storage, size: 0xffffffff }],
    'wrong checksum': [{ ...pickle, crc: 1 }, storage],
    'wrong checksum of a storage': [pickle, { ...storage, crc: 1 }],
    'names twice': [pickle, storage, storage],
    'no storage': [pickle],
    'two pickles': [pickle, storage, { ...pickle, name: 'b/data.pkl' }],
    'climbing names': [pickle, { ...storage, name: 'a/data/../../0' }],
    TorchScript: [pickle, storage, { name: 'a/constants.pkl', bytes: value }],
    'big-endian': [pickle, storage, { name: 'a/byteorder', bytes: Buffer.from('big') }],
    nothing: [],
  };
  return Object.entries(zips).map(([name, parts]) => ({ name, bytes: zipOf(parts), detectable: false }));
}

function safetensorsAttacks(): Attack[] {
  const file = (
    name: string,
    header: string,
    data = 16,
    length = BigInt(Buffer.byteLength(header)),
  ): Attack => {
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(length);
    return {
      name,
      bytes: Buffer.concat([start, Buffer.from(header), Buffer.alloc(data)]),
      detectable: false,
    };
  };
  const entry = (shape: string, begin: string, end: string) =>
    `{"a":{"dtype":"F32","shape":${shape},"data_offsets":[${begin},${end}]}}`;
  return [
    file('shape 2⁶³', entry('[9223372036854775808]', '0', '16')),
    file('shapes that overflow', entry('[4294967296,4294967296,0]', '0', '0'), 0),
    file('offsets outside', entry('[4]', '16', '32')),
    file('header of 2⁶³', entry('[4]', '0', '16'), 16, 2n ** 63n),
    file('header of 100 MB', entry('[4]', '0', '16'), 16, 100_000_000n),
    file('deep header', `{"a":${'['.repeat(100_000)}`, 0),
    file('polluting header', `{"__proto__":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`),
  ];
}
