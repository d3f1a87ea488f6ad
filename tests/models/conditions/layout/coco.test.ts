import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ObjectsBoundingBoxConditionalBuilder } from '../../../../src/models/conditions/layout/builder.js';
import { readCoco } from '../../../../src/models/conditions/layout/coco.js';
import { recorded } from './recorded.js';

const { instances, stuff, runs } = recorded.coco;

for (const run of runs) {
  const { use_things: useThings, use_stuff: useStuff, minObjects, maxObjects, minArea } = run;
  const read = `${useThings ? 'objects' : ''}${useThings && useStuff ? ' and ' : ''}${useStuff ? 'areas' : ''}`;
  test(`classes, images, boxes and tokens are the reference’s: ${read}, ${minObjects} to ${maxObjects}`, async (t) => {
    const options = {
      useThings,
      useStuff,
      minObjectArea: minArea,
      minObjectsPerImage: minObjects,
      maxObjectsPerImage: maxObjects,
    };
    const { categories, images } = await readCoco({ instances, stuff }, options);
    t.deepEqual(
      categories.map(({ id }) => id),
      run.categoryIds,
    );
    t.is(categories.length, run.noClasses);
    t.deepEqual(
      images.map(({ id }) => String(id)),
      run.imageIds,
    );
    const builder = new ObjectsBoundingBoxConditionalBuilder({
      noObjectClasses: run.noClasses,
      noMaxObjects: maxObjects,
      noTokens: 8192,
      encodeCrop: true,
      useGroupParameter: true,
      shuffle: false,
    });
    for (const { id, annotations } of images) {
      t.deepEqual(
        annotations.map((one) => ({ ...one, bbox: [...one.bbox] })),
        run.annotations[id]!.map(({ category_no: categoryNo, is_group_of: isGroupOf, bbox, ...rest }) => ({
          ...rest,
          categoryNo,
          isGroupOf,
          bbox: [...bbox],
        })),
      );
      t.deepEqual(builder.build(annotations).tolist(), run.tokens[id]);
    }
  });
}

test('files are read, and those that are not COCO’s are named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'coco-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [file, wrong] = ['instances.json', 'wrong.json'].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  writeFileSync(file, JSON.stringify(instances));
  writeFileSync(wrong, '{"images": []}');
  const options = { useStuff: false };
  t.deepEqual(await readCoco({ instances: file }, options), await readCoco({ instances }, options));
  await t.throwsAsync(readCoco({ instances: wrong }, options), {
    message: /wrong.json is not an annotation file of COCO: it needs the lists/,
  });
  await t.throwsAsync(readCoco({ instances }), { message: /as stuff, or useStuff: false/ });
  const [image] = instances.images;
  await t.throwsAsync(readCoco({ instances: { ...instances, images: [image!] } }, options), {
    message: /annotation 1001 is of image 25, which is not among the 1 images/,
  });
});
