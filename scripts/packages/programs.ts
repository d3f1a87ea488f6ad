/** Small programs that the runtimes, test runners and bundlers run. */

/** Trains a small network; prints `trained` if its loss has fallen. */
export const TRAIN = `
export function train({ torch, nn, optim }) {
  torch.manualSeed(0);
  const net = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 1));
  const adam = new optim.Adam(net.parameters(), { lr: 0.01 });
  const x = torch.randn([16, 4]);
  const losses = [];
  for (let step = 0; step < 20; step++) {
    torch.scope(() => {
      adam.zeroGrad();
      const loss = net.forward(x).sub(torch.ones([16, 1])).square().mean();
      loss.backward();
      adam.step();
      losses.push(loss.item());
    });
  }
  if (!(losses.at(-1) < losses[0] / 2)) throw new Error('the loss does not fall: ' + losses);
  return 'trained';
}
`;

/** An ES module that trains. */
export const ESM = `import { nn, optim, torch } from 'tessera-torch';\n${TRAIN}\nconsole.log(train({ torch, nn, optim }));\n`;

/** A CommonJS module that trains. */
export const COMMONJS = `const { nn, optim, torch } = require('tessera-torch');\n${TRAIN.replace('export ', '')}\nconsole.log(train({ torch, nn, optim }));\n`;

/** Creates far more tensors than fit in memory, outside scopes; prints `held` and the peak in megabytes. */
export const GARBAGE = `
import { torch } from 'tessera-torch';
let most = 0;
for (let i = 0; i < 8000; i++) {
  torch.ones([250_000]);
  most = Math.max(most, torch.memory().bytes.cpu);
}
if (most > 4e9) throw new Error('up to ' + most / 1e6 + ' MB of 8000 were held at once');
console.log('held', Math.round(most / 1e6));
`;

/** Prints `stacked` if the stack of an error begins with its message, then the line of the program that caused it. */
export const STACK = `
import { nn, torch } from 'tessera-torch';
function mine() {
  new nn.Sequential(new nn.Linear(3, 4)).forward(torch.ones([2, 5]));
}
try {
  mine();
} catch (error) {
  const [head, first] = error.stack.split('\\n');
  if (!head.includes(error.message) || !first.includes('mine (')) throw new Error('the stack is: ' + error.stack);
  console.log('stacked');
}
`;
