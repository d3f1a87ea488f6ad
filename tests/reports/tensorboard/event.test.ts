/** Bytes of event files, compared with those of Python's tensorboard (tests/fixtures/make/event-files.py). */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { crc32c, maskedCrc32c } from '../../../src/reports/tensorboard/crc32c.js';
import { encodeEvent, recordOf, type EventContent } from '../../../src/reports/tensorboard/event.js';

type Stored = { image: { tag: string; png: string } } | Exclude<EventContent, { image: unknown }>;

const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/tensorboard.json', import.meta.url), 'utf8'),
) as {
  records: { content: Stored; step: number; time: number; record: string }[];
  checksums: { text: string; masked: number }[];
};

test('checksums are CRC-32C', (t) => {
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283); // the published check value
  for (const { text, masked } of fixture.checksums) t.is(maskedCrc32c(Buffer.from(text)), masked);
});

for (const { content, step, time, record } of fixture.records) {
  test(`a record has TensorBoard's bytes: ${JSON.stringify(content).slice(0, 40)} at step ${step}`, (t) => {
    const given: EventContent =
      'image' in content
        ? { image: { ...content.image, png: Buffer.from(content.image.png, 'hex') } }
        : content;
    t.is(recordOf(encodeEvent(given, { step, time })).toString('hex'), record);
  });
}
