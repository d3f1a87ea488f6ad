/** Training that takes long: two precisions are timed, and images are slow. */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { ImageSource } from '../../../src/data/image-source.js';
import { MemoryStore } from '../../../src/data/built-in/memory-store.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { eventsOf, images, lossesOf, stripes, temporaryFolder, vqganConfig } from '../../training/tiny.js';

const create = (run: string, training: Record<string, unknown> = {}) =>
  VqganTrainer.create(vqganConfig(training), { run, images: images() });

test.serial('auto times both precisions and leaves no trace', async (t) => {
  const folder = temporaryFolder(t);
  const auto = await create(join(folder, 'auto'), { precision: 'auto', steps: 2 });
  const { precision } = auto.config.training;
  const events = await eventsOf(auto);
  t.true(
    events[0]?.type === 'start' && events[0].notes.some((note) => /a step takes .* ms in float32/.test(note)),
  );
  const plain = await eventsOf(await create(join(folder, 'plain'), { precision, steps: 2 }));
  t.deepEqual(lossesOf(events), lossesOf(plain));
});

/** Decodes one picture after another, each slower than a step. */
class SlowStore extends MemoryStore {
  #last: Promise<unknown> = Promise.resolve();

  override load(index: number): ReturnType<MemoryStore['load']> {
    const picture = super.load(index);
    const done = this.#last.then(() => setTimeout(150));
    this.#last = done;
    return done.then(() => picture) as unknown as typeof picture;
  }
}

test.serial('if images take long, the pack command is named, once', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const plain = stripes(6);
  const slow = new SlowStore(Array.from({ length: 6 }, (_, i) => plain.load(i)));
  const config = vqganConfig({ steps: 24, restartCodes: false, batchSize: 1 });
  const source = { train: new ImageSource(slow, 16), heldOut: new ImageSource(plain, 16, [0]) };
  const events = await eventsOf(await VqganTrainer.create(config, { run, images: source }));
  const notes = events.flatMap((event) => (event.type === 'note' ? [event.message] : []));
  t.is(notes.length, 1);
  t.regex(notes[0]!, /^\d+% of the time .*: npx tessera-torch data pack stripes --size 16$/);
  t.true(events.some((event) => event.type === 'log' && event.dataWait > 0.1));
});
