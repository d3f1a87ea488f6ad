import { MessageChannel } from 'node:worker_threads';
import { serialize } from 'node:v8';
import test from 'ava';
import { KeyValueCache, loadCheckpoint, nn, optim, saveSafetensors, torch } from 'tessera-torch';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TorchWorker } from '../in-worker.js';

/** The message of what a call throws, which may be a DOMException. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing was thrown';
}

const layer = new nn.Linear(2, 2);
const sgd = (): optim.SGD => new optim.SGD(layer.parameters(), { lr: 0.1 });

/** What stands for something of its thread, and what the error says to use instead. */
const BOUND: Record<string, [() => object, RegExp]> = {
  'a tensor': [() => torch.ones([2]), /toTypedArray\(\)/],
  'a parameter': [() => new nn.Parameter(torch.ones([2])), /toTypedArray\(\)/],
  'a list of tensors': [() => [torch.ones([2])], /toTypedArray\(\)/],
  'a state dict': [() => layer.stateDict(), /toTypedArray\(\)/],
  'a layer': [() => layer, /stateDict\(\)/],
  'a layer without parameters': [() => new nn.ReLU(), /stateDict\(\)/],
  'a container': [() => new nn.Sequential(), /stateDict\(\)/],
  'a generator': [() => new torch.Generator(), /getState\(\)/],
  'the default generator': [() => torch.defaultGenerator(), /getState\(\)/],
  'an optimizer': [() => sgd(), /stateDict\(\)/],
  'a schedule': [() => new optim.StepLR(sgd(), 1), /stateDict\(\)/],
  'a chain of schedules': [() => new optim.ChainedScheduler([new optim.StepLR(sgd(), 1)]), /stateDict\(\)/],
  'a schedule of plateaus': [() => new optim.ReduceLROnPlateau(sgd()), /stateDict\(\)/],
  'a scaler': [() => new optim.GradScaler(), /stateDict\(\)/],
  'averaged weights': [() => new optim.AveragedModel(layer), /stateDict\(\)/],
  'a graph': [() => torch.cuda.graph(() => torch.ones([1])), /each thread/],
  'a cache of keys and values': [
    () =>
      new KeyValueCache({
        nLayer: 1, nHead: 1, headSize: 2, batch: 1, capacity: 2, dtype: 'float32', device: 'cpu',
      }), // prettier-ignore
    /each thread/,
  ],
};

for (const [what, [make, instead]] of Object.entries(BOUND)) {
  test(`structuredClone, postMessage and v8.serialize refuse ${what}, and say what to send`, (t) => {
    const value = make();
    const { port1, port2 } = new MessageChannel();
    for (const send of [
      () => structuredClone(value),
      () => structuredClone({ deep: [value] }),
      () => port1.postMessage(value),
      () => serialize(value),
    ]) {
      t.regex(refusal(send), instead);
    }
    port1.close();
    port2.close();
  });
}

const NOT_JSON = Object.entries(BOUND).filter(([what]) => !/tensor|parameter$|state dict/.test(what));
for (const [what, [make, instead]] of NOT_JSON) {
  test(`JSON.stringify refuses ${what}, and says what to write`, (t) => {
    t.throws(() => JSON.stringify({ value: make() }), { instanceOf: torch.ArgumentError, message: instead });
  });
}

test('JSON.stringify writes the elements of a tensor', (t) => {
  for (const [tensor, expected] of [
    [torch.tensor([[1, 2], [3, 4]]), [[1, 2], [3, 4]]], // prettier-ignore
    [torch.tensor(0.5, { dtype: 'bfloat16' }), 0.5],
    [torch.tensor([true, false]), [true, false]],
    [torch.tensor([3n]), [3]],
    [torch.zeros([0]), []],
    [new nn.Parameter(torch.ones([2])), [1, 1]],
    [torch.tensor([NaN, Infinity]), [null, null]],
    [torch.tensor([torch.complexScalar(1, 2)]), [{ re: 1, im: 2 }]],
  ] as const) {
    t.deepEqual(JSON.parse(JSON.stringify({ loss: tensor })), { loss: expected });
  }
});

test('JSON.stringify of a disposed tensor is an error', (t) => {
  const tensor = torch.ones([2]);
  tensor.dispose();
  t.throws(() => JSON.stringify(tensor), { instanceOf: torch.DisposedError });
});

test('an open checkpoint and its tensors are refused', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-cloning-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'a.safetensors');
  await saveSafetensors(path, { a: torch.ones([2]) });
  const checkpoint = await loadCheckpoint(path);
  t.regex(
    refusal(() => structuredClone(checkpoint.tensors)),
    /in each thread/,
  );
  t.throws(() => JSON.stringify(checkpoint.tensors), { message: /in each thread/ });
  checkpoint.close();
});

test('elements sent to a worker make the same tensor there, and come back', async (t) => {
  await using worker = new TorchWorker();
  const x = torch.randn([2, 3]);
  const sent = { data: [...(x.toTypedArray() as Float32Array)], shape: x.shape };
  const back = (await worker.run(
    `(({ data, shape }) => {
      const y = torch.fromTypedArray(new Float32Array(data), shape).mul(2);
      return { data: y.toTypedArray(), shape: y.shape };
    })(${JSON.stringify(sent)})`,
  )) as { data: Float32Array; shape: number[] };
  t.deepEqual(torch.fromTypedArray(back.data, back.shape).tolist(), x.mul(2).tolist());
});
