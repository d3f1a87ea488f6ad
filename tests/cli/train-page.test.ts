import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Command } from 'commander';
import { trainCommand } from '../../src/cli/commands/train/command.js';
import { temporaryFolder } from '../training/tiny.js';

const settings =
  '--data scenes data.count=24 data.heldOut=4 --steps 3 training.batchSize=2 training.device=cpu training.threads=1 ' +
  'training.lpips=off training.logEvery=1 training.imagesEvery=2 --json';

test.serial(
  'report.html is written while a run goes on, which it says until the run has ended',
  async (t) => {
    const out = temporaryFolder(t);
    const page = join(out, 'new', 'report.html');
    const leadOf = () => /After \d steps?[^<]*/.exec(readFileSync(page, 'utf8'))?.[0];
    const seen: string[] = [];
    const { write } = process.stdout;
    t.teardown(() => (process.stdout.write = write));
    process.stdout.write = (line: string | Uint8Array) => {
      const { type, step } = JSON.parse(String(line)) as { type: string; step?: number };
      if (type === 'log') seen.push(`${step}: ${existsSync(page) ? leadOf() : 'no page'}`);
      return true;
    };
    const args = ['vqgan', ...settings.split(' '), '--out', out, '--name', 'new'];
    await trainCommand(new Command('train')).parseAsync(args, { from: 'user' });
    process.stdout.write = write;
    t.deepEqual(seen, [
      '1: no page',
      '2: no page',
      '3: After 2 steps; training was going on when this page was written.',
    ]);
    t.is(leadOf(), 'After 3 steps.');
  },
);
