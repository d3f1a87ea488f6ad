/**
 * `npm run demo`: demos, by name.
 *
 *     npm run demo -- --list              what there is
 *     npm run demo                        the landscapes
 *     npm run demo -- synthesis --quick   one of them, with arguments of its own
 */
const demos = {
  landscapes:
    'draws landscapes, trains both stages on them and generates new ones, in nine minutes (the default)',
  synthesis:
    'trains models for classes, maps, holes, layouts and panoramas, and draws for each, in 45 minutes',
};

const [first = '', ...rest] = process.argv.slice(2);
const named = first !== '' && !first.startsWith('-');
const name = named ? first : 'landscapes';
const args = named ? rest : process.argv.slice(2);

if (first === '--list') {
  for (const [key, what] of Object.entries(demos)) console.log(`${key.padEnd(12)}${what}`);
} else if (name === 'landscapes') await (await import('./demo/landscapes.js')).landscapes(args);
else if (name === 'synthesis') await (await import('./demo/synthesis.js')).synthesis(args);
else {
  console.error(`demo: there is no '${name}'; npm run demo -- --list names the demos`);
  process.exitCode = 2;
}
