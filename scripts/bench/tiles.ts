/**
 * `npm run bench -- tiles [side] [tile]`: decoding 2048 × 2048 pixels in tiles of 512 with the f16 VQGAN (random weights,
 * float32). Prints the peak resident memory above that of the model; the same for whole images of a quarter and half
 * the side, and from them the estimate for a whole image of this side (activations grow with its area, attention
 * with the square of that); and how far tiles are from the whole image at half the side, at seams and elsewhere,
 * as a share of the image's standard deviation. Each in a process of its own. Linux only.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { backbones, ImageTokenizer, saveSafetensors, torch, VQModel } from 'tessera-torch';

const STRIDE = 16;
const shape = { ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 };

interface Measured {
  /** MB above the model. */
  peak: number;
  seconds: number;
}

const peakMegabytes = () =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;

async function open(): Promise<ImageTokenizer> {
  torch.manualSeed(0);
  mkdirSync('bench-results', { recursive: true });
  const weights = 'bench-results/tiles.safetensors';
  await saveSafetensors(weights, new VQModel(shape).stateDict());
  return ImageTokenizer.open(weights, { config: 'imagenet', device: 'cpu' });
}

const random = (side: number) => torch.randint(0, 1024, [1, side / STRIDE, side / STRIDE]);

/** One decoding in this process. */
async function measure(side: number, tile: number): Promise<Measured> {
  const tokenizer = await open();
  const ids = random(side);
  const before = peakMegabytes();
  const start = performance.now();
  await tokenizer.decode(ids, tile > 0 ? { tile } : {});
  return { peak: peakMegabytes() - before, seconds: (performance.now() - start) / 1000 };
}

/** Largest and mean difference of tiles to the whole image, where tiles overlap and elsewhere. */
async function seams(side: number, tile: number) {
  const tokenizer = await open();
  const ids = random(side);
  const whole = await tokenizer.decode(ids);
  const tiled = await tokenizer.decode(ids, { tile });
  return torch.scope(() => {
    const difference = tiled.sub(whole).abs().div(whole.std(true));
    // The step between neighbouring columns, which makes a seam visible, compared with that of the whole image.
    const step = (x: torch.Tensor) =>
      x
        .narrow(3, 1, side - 1)
        .sub(x.narrow(3, 0, side - 1))
        .abs()
        .mean([0, 1, 2]);
    const [ours, theirs] = [step(tiled), step(whole)];
    return {
      largest: difference.max().item(),
      mean: difference.mean().item(),
      steepestColumn: ours.max().div(theirs.max()).item(),
    };
  });
}

function inProcess<T>(...args: (string | number)[]): T {
  const command = ['--import=tsx', fileURLToPath(import.meta.url), ...args.map(String)];
  return JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8' })) as T;
}

const [first = '2048', ...rest] = process.argv.slice(2);
if (first === 'measure') console.log(JSON.stringify(await measure(Number(rest[0]), Number(rest[1]))));
else if (first === 'seams') console.log(JSON.stringify(await seams(Number(rest[0]), Number(rest[1]))));
else {
  const [side, tile] = [Number(first), Number(rest[0] ?? 512)];
  const tiled = inProcess<Measured>('measure', side, tile);
  const quarter = inProcess<Measured>('measure', side / 4, 0);
  const half = inProcess<Measured>('measure', side / 2, 0);
  // peak(s) = a·s² + b·s⁴, from two sides.
  const b = Math.max(0, (half.peak - 4 * quarter.peak) / 12);
  const estimate = 16 * (quarter.peak - b) + 256 * b;
  const apart = inProcess<Awaited<ReturnType<typeof seams>>>('seams', side / 2, tile / 2);
  const results = { side, tile, tiled, quarter, half, estimate, ratio: tiled.peak / estimate, apart };
  console.log(
    `${side} × ${side} in tiles of ${tile}: ${tiled.peak.toFixed(0)} MB, ${tiled.seconds.toFixed(1)} s`,
  );
  console.log(`whole: ${side / 4}: ${quarter.peak.toFixed(0)} MB; ${side / 2}: ${half.peak.toFixed(0)} MB`);
  console.log(
    `whole, ${side}, estimated: ${estimate.toFixed(0)} MB; tiles need ${results.ratio.toFixed(3)} of it`,
  );
  console.log(
    `seams at ${side / 2}, tiles of ${tile / 2}: largest difference ${apart.largest.toFixed(3)}, mean ` +
      `${apart.mean.toFixed(4)} standard deviations; steepest column ${apart.steepestColumn.toFixed(3)} of the whole's`,
  );
  writeFileSync('bench-results/tiles.json', JSON.stringify(results, null, 2));
}
