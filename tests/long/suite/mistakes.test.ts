/** Messages of mistakes on the command line. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Checkout } from '../../../scripts/same-as/checkout.js';
import { frozenMistakes } from '../../../scripts/same-as/frozen-mistakes.js';
import { makeImages } from '../../../scripts/same-as/images.js';
import { askCommandMistakes } from '../../../scripts/same-as/mistakes-commands.js';
import { packageRoot } from '../../../src/files/package.js';
import { temporaryFolder } from '../../training/tiny.js';

// A message that is meant to change: npm run same-as -- --freeze rewrites all of them; read the diff.
test('every mistake on the command line and in files is answered as it stands frozen', async (t) => {
  const folder = temporaryFolder(t);
  const own = new Checkout('this', packageRoot(), join(folder, 'this'));
  mkdirSync(join(folder, 'data'));
  await makeImages(join(folder, 'data'), own);
  const { commands } = frozenMistakes();
  t.true(Object.keys(commands).length >= 80);
  t.deepEqual(await askCommandMistakes(own), commands);
});
