// Demos: without a name, landscapes are learnt in ten minutes; `synthesis` draws for classes, maps, layouts and more.
const [first = '', ...rest] = process.argv.slice(2);
const named = first !== '' && !first.startsWith('-');
const name = named ? first : 'landscapes';
const args = named ? rest : process.argv.slice(2);

if (name === 'landscapes') await (await import('./demo/landscapes.js')).landscapes(args);
else if (name === 'synthesis') await (await import('./demo/synthesis.js')).synthesis(args);
else {
  console.error(`there is no demo "${name}"; there are: landscapes (the default), synthesis`);
  process.exitCode = 2;
}
