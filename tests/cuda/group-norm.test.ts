/** The fused GroupNorm and SiLU against the plain operators in float64, forward and backward. */
import * as torch from '../../src/torch/index.js';
import { device, onDevice } from './device.js';

const bounds = { float32: 1e-4, bfloat16: 2e-2, float16: 4e-3 } as const;

for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
  for (const memoryFormat of ['contiguous_format', 'channels_last'] as const) {
    for (const shape of [
      [2, 128, 64, 64],
      [1, 512, 16, 16],
      [3, 256, 20, 28],
    ]) {
      onDevice(`group norm and SiLU as one kernel: ${dtype}[${shape.join(', ')}], ${memoryFormat}`, (t) => {
        torch.manualSeed(1);
        const make = (...size: number[]) => torch.randn(size).to(dtype).to(device);
        const x = make(...shape)
          .mul(2)
          .add(1)
          .contiguous({ memoryFormat })
          .requiresGrad_();
        const weight = make(shape[1]!).requiresGrad_();
        const bias = make(shape[1]!).requiresGrad_();
        const gradient = make(...shape);
        t.is(torch.cuda.fusesGroupNormSilu(x, 32, weight, bias), device.startsWith('cuda'));
        t.is(torch.cuda.fusedGroupNormFailure(), null);
        const y = torch.cuda.groupNormSilu(x, 32, weight, bias, 1e-6);
        const inputs = [x, weight, bias];
        const results = [y, ...torch.grad([y], inputs, { gradOutputs: [gradient] })];

        const [x64, weight64, bias64] = inputs.map((input) => input.detach().double().requiresGrad_());
        const exact = torch.groupNorm(x64!, 32, weight64!, bias64!, 1e-6).silu();
        const right = [
          exact,
          ...torch.grad([exact], [x64!, weight64!, bias64!], { gradOutputs: [gradient.double()] }),
        ];
        for (const [i, result] of results.entries()) {
          const scale = right[i]!.abs().max().item();
          const error = result.double().sub(right[i]!).abs().max().item() / scale;
          t.true(error < bounds[dtype], `result ${i}: ${error}`);
        }
      });
    }
  }
}

onDevice('the fused kernel can be switched off, and gives the same bits each time', (t) => {
  const x = torch.randn([2, 64, 32, 32]).to(device);
  const weight = torch.ones([64], { device });
  const bias = torch.zeros([64], { device });
  const once = torch.cuda.groupNormSilu(x, 32, weight, bias);
  t.is(
    once
      .sub(torch.cuda.groupNormSilu(x, 32, weight, bias))
      .abs()
      .max()
      .item(),
    0,
  );
  torch.cuda.setFusedGroupNorm(false);
  t.false(torch.cuda.fusesGroupNormSilu(x, 32, weight, bias));
  const plain = torch.cuda.groupNormSilu(x, 32, weight, bias);
  torch.cuda.setFusedGroupNorm(true);
  t.true(plain.sub(once).abs().max().item() < 1e-5);
});
