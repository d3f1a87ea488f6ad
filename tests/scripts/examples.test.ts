import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { packageRoot } from '../../src/files/package.js';
import { examples, reference, runExample, runExamples } from './run-example.js';

const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
const tsc = join(dirname(typescript), 'bin', 'tsc');

/** Returns an example with its import from the package's root, which examples are written without. */
function moduleOf(code: string): string {
  const names = ['torch', 'nn', 'F', 'optim', ...reference.get('')!.map(({ name }) => name)];
  const words = new Set(code.replace(/\/\/.*|'[^'\n]*'/g, '').match(/(?<![.\w])\w+/g));
  // `const { train } = …` declares the name itself.
  const declared = new Set(
    [...code.matchAll(/const \{([^}]*)\}/g)].flatMap(([, list]) => list!.match(/\w+/g)),
  );
  const used = [...new Set(names)].filter((name) => words.has(name) && !declared.has(name));
  return `import { ${used.map((name) => (name === 'Tensor' ? 'type Tensor' : name)).join(', ')} } from 'tessera-torch';\n${code}`;
}

async function typeErrors(modules: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-examples-'));
  try {
    await Promise.all(modules.map((text, i) => writeFile(join(folder, `${i}.mts`), text)));
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: 'es2022',
      lib: ['es2022', 'esnext.disposable', 'dom'],
      module: 'nodenext',
      types: [],
      paths: { 'tessera-torch': [join(packageRoot(), 'dist', 'index.d.ts')] },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }));
    return (await promisify(execFile)(process.execPath, [tsc, '-p', folder], { cwd: folder })).stdout;
  } catch (error) {
    return (error as { stdout?: string }).stdout || String(error);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('examples in docstrings compile', async (t) => {
  t.true(examples.length > 250);
  const errors = await typeErrors(examples.map(({ code }) => moduleOf(code)));
  t.is(
    errors.replaceAll(/^(\d+)\.mts/gm, (_, i: string) => examples[Number(i)]!.path),
    '',
  );
});

/** Namespaces whose classes all have an example; `''` is the root. */
const namespaces = ['', 'torch', 'torch.cuda', 'torch.distributed', 'optim', 'nn'];

/** Functions from which users start, by namespace: each has an example. */
const starts: Readonly<Record<string, string>> = {
  '': `
    absoluteBbox averageOverProcesses bestCheckpoint centerCropBbox chartSvg checkpointBlocks codebookUse completeImages
    confusionOf coordinateMap countCodes countCodesOf countModelCrossEntropy decayGroups describeImages diffAugment drawDiffAugment edgesOf
    evaluationCard expectAlike extractFeatures featureStatistics featuresOf filterLogits frechetDistance generate
    hingeDiscriminatorLoss hingeGeneratorLoss histogramEntropy imageGrid inOrder inceptionScore initFromCkpt inspectImages interruptible
    intersectionArea isPacked kernelDistance layoutScene layoutSvg learningRateAt listCheckpoints loadCheckpoint
    loadFeatures loadInception loadNpy loadWeights logImages lowResolution makeScene meanColourBlocks meanIou
    measureFeatures memorisation modelFromConfig msSsim nearestNeighbours newestCheckpoint nonSaturatingDiscriminatorLoss nonSaturatingGeneratorLoss onePassStep openImages openRun
    packImages packStore pickToken pixelAccuracy precisionRecall psnr publishedLpips r1 readCoco readConfig readMetrics
    readVectors recogniseKeys referenceStep rescaleBbox resolveConfig restartUnusedCodes runCharts sampleAccepted
    sampleImages sampleScene sampleTokens sampleWindowed saveCurves saveFeatures saveImageGrid saveLayout saveNpy
    savePytorch saveRunCurves saveSafetensors saveTextVectors ssim statisticsDistance synchronizeStatistics
    tokenLogProbabilities tokenProbabilities tokenText train transformerLoss transformerOptimizer transformerStep
    unloadedCheckpoints vanillaDiscriminatorLoss variations weightsHash withKeys writeEmoji writePage writeReport
    writeScenes`,
  torch: `
    arange autocast callOperator checkpoint customFunction detectAnomaly dispose enableGrad expectNoLeaks fromTypedArray
    full grad gradcheck inferenceMode keep linspace manualSeed memory noGrad ones randint randn scope setAt
    setMemoryBudget setNumThreads slice tensor useDeterministicAlgorithms zeros`,
  'torch.amp': 'autocast',
  'torch.cuda': 'graph isAvailable maxMemoryAllocated memGetInfo synchronize withDevice withStream',
  'torch.distributed': `
    allGather allReduce allReduceCoalesced barrier broadcast broadcastCoalesced initProcessGroup`,
  optim: 'optimizerStateFrom pytorchState warmUpCosine',
  nn: `
    chain clipGradNorm_ clipGradValue_ convertSyncBatchnorm inEvaluation registerParametrization removeParametrization
    skipInit spectralNorm summary weightNorm withPackedWeights`,
  'nn.init': `
    calculateFans calculateGain constant_ dirac_ eye_ kaimingNormal_ kaimingUniform_ normal_ ones_ orthogonal_ sparse_
    truncNormal_ uniform_ xavierNormal_ xavierUniform_ zeros_`,
  F: `
    avgPool2d batchNorm binaryCrossEntropyWithLogits conv1d conv2d convTranspose2d cosineSimilarity crossEntropy ctcLoss
    dropout embedding fold gelu groupNorm gumbelSoftmax interpolate klDiv l1Loss layerNorm leakyRelu linear logSoftmax
    maxPool2d mseLoss nllLoss normalize oneHot pad pairwiseDistance pixelShuffle relu rmsNorm scaledDotProductAttention
    sigmoid silu smoothL1Loss softmax unfold`,
};

const shown = new Set(examples.map(({ path }) => path));

const pathIn = (namespace: string) => (name: string) => (namespace ? `${namespace}.${name}` : name);

for (const namespace of namespaces) {
  test(`every class of ${namespace || 'the package root'} has an example`, (t) => {
    const classes = reference.get(namespace)!.filter(({ kind }) => kind === 'class');
    t.true(classes.length > 0);
    const paths = classes.map(({ name }) => pathIn(namespace)(name));
    t.deepEqual(
      paths.filter((path) => !shown.has(path)),
      [],
    );
  });
}

test('every function from which users start has an example', (t) => {
  const paths = Object.entries(starts).flatMap(([namespace, names]) =>
    names.trim().split(/\s+/).map(pathIn(namespace)),
  );
  t.deepEqual(
    paths.filter((path) => !shown.has(path)),
    [],
  );
});

// Those of the root, which build whole models, are run by tests/long/suite.
test('examples of the namespaces run, and give the shapes and values in their comments', async (t) => {
  const { claims, problems } = await runExamples(examples.filter(({ namespace }) => namespace !== ''));
  t.true(claims >= 230, String(claims));
  t.deepEqual(problems, []);
});

test('a comment that is not true is found', async (t) => {
  const problemsOf = async (code: string) => (await runExample(code)).problems;
  t.deepEqual(await problemsOf('const y = torch.zeros([2, 3]); // [3, 2]'), [
    'const y = torch.zeros([2, 3]); // [3, 2] is [2,3]',
  ]);
  t.deepEqual(await problemsOf('const { shape } = torch.zeros([2]);\nconst third = 1 / 3; // 0.34'), [
    'const third = 1 / 3; // 0.34 is 0.3333333333333333',
  ]);
  t.is((await problemsOf("const [a, [b]] = ['x', [[1n]]] as const; // 'x', [2]")).length, 1);
  for (const line of [
    'const x = torch.tensor([7, 8]); // [7, 9]',
    'const x = torch.tensor([-Infinity, NaN]); // [-Infinity, 4]',
    'const x = torch.ones([2, 3]); // [3, 2]: two rows',
    'const x = torch.ones([2, 3]); // [3], all 1',
    'const x = 0.54; // 0.50',
    'const x = 0.00003; // 1e-7',
    'const x = 5n; // 4n',
    'Math.max(1, 2); // 3',
  ]) {
    t.is((await problemsOf(line)).length, 1, line);
  }
  t.regex((await problemsOf('torch.zeros([2]).add(torch.ones([3]));'))[0]!, /^ShapeError/);
  t.deepEqual(await problemsOf('torch.zeros([2]).add(torch.ones([3])); // throws a DTypeError'), [
    'torch.zeros([2]).add(torch.ones([3])); // throws a DTypeError throws a ShapeError',
  ]);
  t.deepEqual(await problemsOf('torch.zeros([2]); // throws an error'), [
    'torch.zeros([2]); // throws an error throws nothing',
  ]);
});

test('true comments pass', async (t) => {
  const code = `
const [a, [b]] = [torch.ones([4]), [0.126]]; // [4], 0.13
const c = 1; // one
const e = [0.504, 2.04e-7, 5n, -Infinity]; // [0.50, 2.0e-7, 5n, -Infinity]
const f = torch.ones([2, 1]); // [2, 1]: a column
Math.max(1, 2); // 2
const d = torch.tensor([7n, 8n]); // [7, 8]
torch.zeros([2]).add(torch.ones([3])); // throws a ShapeError: they differ
torch.zeros([2]).add(torch.ones([3])); // throws an error`;
  t.deepEqual(await runExample(code), { claims: 7, problems: [] });
});
