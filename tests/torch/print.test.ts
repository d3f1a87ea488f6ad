import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { DType, Tensor } from '../../src/torch/index.js';
import { Parameter } from '../../src/torch/nn/parameter.js';

interface Case {
  name: string;
  dtype: DType;
  shape: number[];
  bytes: string;
  requiresGrad: boolean;
  make: string | null;
  text: string;
}

// Made by tests/fixtures/make/printing.py.
const cases = JSON.parse(
  readFileSync(new URL('../fixtures/printing.json', import.meta.url), 'utf8'),
) as Case[];

const makers: Record<string, (x: Tensor) => Tensor> = {
  transpose: (x) => x.t(),
  conj: (x) => x.conj(),
  'neg of imag': (x) => x.conj().imag(),
  to_sparse: (x) => x.toSparse(),
  to_sparse_csr: (x) => x.toSparseCsr(),
  to_sparse_csc: (x) => x.toSparseCsc(),
  'to meta': (x) => x.to('meta'),
  parameter: (x) => new Parameter(x),
  exp: (x) => x.exp(),
};

for (const { name, dtype, shape, bytes, requiresGrad, make, text } of cases) {
  test(`prints as PyTorch does: ${name}`, (t) => {
    const tensor = torch.empty(shape, { dtype, requiresGrad });
    torch.writeBytes(tensor.detach(), 0, new Uint8Array(Buffer.from(bytes, 'base64')));
    const shown = make ? makers[make]!(tensor) : tensor;
    // The one difference: the function that a gradient goes through has no name here.
    t.is(inspect(shown), text);
    t.is(String(shown), inspect(shown));
  });
}

test('printing changes nothing and leaves nothing behind', (t) => {
  const x = torch.randn([40, 40], { requiresGrad: true });
  const before = torch.memory().tensors;
  t.is(String(x), String(x));
  t.is(torch.memory().tensors, before);
  t.is(x.grad, null);
  x.dispose();
  t.is(inspect(x), 'Tensor(disposed)');
});
