/** Kernels of native/kernels compiled for a GPU, which needs NVRTC but no device. */
import test from 'ava';
import { Kernels } from '../../../src/torch/cuda/kernel.js';

/** Why nothing can be compiled here; null where it can. */
const absent = (() => {
  try {
    new Kernels('extern "C" __global__ void nothing() {}', 'nothing.cu').compile('sm_90');
    return null;
  } catch (error) {
    return (error as Error).message.split(';')[0]!;
  }
})();

/** A test that these kernels compile; visibly skipped without NVRTC, which only the CUDA builds of libtorch come with. */
export function compilesForH200(title: string, kernels: () => readonly Kernels[]): void {
  if (absent !== null) {
    test.skip(`${title} (skipped: ${absent})`, () => {});
    return;
  }
  test(title, (t) => {
    for (const each of kernels()) {
      t.is(Buffer.from(each.compile('sm_90').subarray(1, 4)).toString(), 'ELF');
    }
  });
}
