import { F, loadCheckpoint, nn, optim, torch, type Tensor, type VqganTrainer } from 'tessera-torch';

const net = new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU());
const adam = new optim.Adam(net.parameters(), { lr: 0.01 });

/** A step of training. */
export function step(x: Tensor): number {
  using _mode = torch.enableGrad();
  const loss = F.relu(net.forward(x)).mean();
  loss.backward();
  adam.step();
  return Number(loss.item());
}

/** Returns the keys and dtypes of a checkpoint. */
export async function names(path: string): Promise<string[]> {
  const { tensors, close } = await loadCheckpoint(path);
  const found = [...tensors.keys()];
  for (const [name, tensor] of tensors) found.push(name + tensor.dtype);
  for (const tensor of tensors.values()) tensor[Symbol.dispose]();
  close();
  return found;
}

/** A run that can be stopped. */
export async function train(trainer: VqganTrainer, signal: AbortSignal): Promise<number> {
  let last = 0;
  for await (const event of trainer.run({ signal })) if (event.type === 'log') last = event.step;
  return last;
}
