import test from 'ava';
import * as torch from '../../src/torch/index.js';
for (const [name, make] of Object.entries({
  empty: (options: never) => torch.empty([2], options),
  zeros: (options: never) => torch.zeros([2], options),
  full: (options: never) => torch.full([2], 1, options),
  randn: (options: never) => torch.randn([2], options),
  rand: (options: never) => torch.rand([2], options),
  randint: (options: never) => torch.randint(0, 5, [2], options),
  randperm: (options: never) => torch.randperm(4, options),
  arange: (options: never) => torch.arange(0, 4, 1, options),
  linspace: (options: never) => torch.linspace(0, 1, 4, options),
  eye: (options: never) => torch.eye(2, 2, options),
  tensor: (options: never) => torch.tensor([1], options),
  fromTypedArray: (options: never) => torch.fromTypedArray(new Float32Array(2), [2], options),
})) {
  test(`${name}: what is no object of options is refused by name`, (t) => {
    for (const options of [null, 3, 'cpu', torch.ones([1])])
      t.throws(() => make(options as never), {
        instanceOf: torch.ArgumentError,
        message: /takes (an object of options|one to three numbers)/,
      });
  });
}
