/** Leaves unused codes out of models: rows of the codebook and, in a second stage, of the prior's embedding and head. */
import { FirstStage } from '../autoencoder/vqgan.js';
import { Several } from '../conditions/several.js';
import { GPT } from '../priors/gpt.js';
import { quantizers } from '../quantizers/index.js';
import type { ModelConfig } from '../registry/from-config.js';
import type { TwoStage } from '../two-stage.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';

type Params = Record<string, unknown>;

/** A smaller model: its configuration, and its weights by key. */
export interface Trimmed {
  section: ModelConfig;
  weights: Map<string, Tensor>;
}

const SEVERAL = 'tessera.conditions.Several';

/**
 * Returns a first stage with only the codes `used`, which are renumbered from 0 in ascending order.
 *
 * @param section configuration of `model`
 * @param used numbers of the codes to keep, ascending and without repetitions
 * @throws TypeError for a quantizer whose codes are not stored one by one, or are remapped already
 *
 * @example
 * ```ts
 * const { model: section } = await readConfig('vqgan.yaml');
 * const model = modelFromConfig<VqganFirstStage>(section);
 * const smaller = trimFirstStage(section, model, [0, 3]); // what was code 3 is code 1
 * modelFromConfig(smaller.section, { init: false }).loadStateDict(smaller.weights);
 * ```
 */
export function trimFirstStage(section: ModelConfig, model: FirstStage, used: readonly number[]): Trimmed {
  const { quantize } = model;
  const name = quantize.constructor.name;
  const { rows, numbers = [] } =
    Object.values(quantizers).find(({ Class }) => quantize.constructor === Class) ?? {};
  if (!rows) {
    const those = Object.entries(quantizers).flatMap(([key, entry]) => (entry.rows ? [key] : []));
    throw new TypeError(
      `codes of ${name} cannot be left out, because they are not stored one by one; those of ${those.join(', ')} can`,
    );
  }
  if (quantize.used) {
    throw new TypeError(
      `the codes of this ${name} are restricted already (remap): the ${quantize.used.numel()} in use are its tokens`,
    );
  }
  const weights = new Map(model.stateDict());
  const change = (keys: readonly string[], to: (tensor: Tensor) => Tensor) => {
    for (const key of keys.map((one) => `quantize.${one}`)) {
      const tensor = weights.get(key);
      if (tensor) weights.set(key, to(tensor));
    }
  };
  change(rows, (tensor) => rowsOf(tensor, used));
  change(numbers, (tensor) => renumbered(tensor, used, model.nCodes));
  return { section: withCodes(section, used.length), weights };
}

/** Returns the configuration of a first stage with another number of codes. */
function withCodes(section: ModelConfig, count: number): ModelConfig {
  const params = section.params as Params;
  const quantizer = params['quantizer'] as ModelConfig | undefined;
  const own = quantizer
    ? { quantizer: { ...quantizer, params: { ...quantizer.params, n_embed: count } } }
    : { n_embed: count };
  return { ...section, params: { ...params, ...own } };
}

/**
 * Returns a second stage whose first stage has only the codes `used`, and whose GPT has rows for these alone. In the
 * reference the ids of conditions share rows with codes: here they follow the codes, with rows of their own.
 *
 * @param section configuration of `net`
 * @param used numbers of the image's codes to keep, ascending and without repetitions
 * @throws TypeError for a prior other than a GPT, or a condition whose ids are not known
 *
 * @example
 * ```ts
 * const { model: section } = await readConfig('transformer.yaml');
 * const net = modelFromConfig<Net2NetTransformer>(section);
 * const smaller = trimTwoStage(section, net, [0, 3]);
 * modelFromConfig(smaller.section, { init: false }).loadStateDict(smaller.weights);
 * ```
 */
export function trimTwoStage(section: ModelConfig, net: TwoStage, used: readonly number[]): Trimmed {
  const { firstStageModel: first, transformer } = net;
  if (!(first instanceof FirstStage) || !(transformer instanceof GPT)) {
    const wrong = first instanceof FirstStage ? transformer : first;
    throw new TypeError(
      `only a GPT over the codes of a VQGAN can be trimmed, not one with a ${wrong.constructor.name}`,
    );
  }
  const params: Params = { ...section.params };
  const inner = trimFirstStage(params['first_stage_config'] as ModelConfig, first, used);
  const ids = conditionIds(net, params, used.length);
  const kept = [...used, ...ids];
  if (net.config.nullToken !== undefined) {
    params['null_token'] = kept.length;
    kept.push(net.config.nullToken);
  }
  params['first_stage_config'] = inner.section;
  const gpt = params['transformer_config'] as ModelConfig;
  params['transformer_config'] = { ...gpt, params: { ...gpt.params, vocab_size: kept.length } };
  const shared = net.condStageModel === first;
  const weights = new Map<string, Tensor>();
  for (const [key, tensor] of net.stateDict()) {
    const place = /^(first_stage_model|cond_stage_model)\.(.*)$/.exec(key);
    const ofFirst = place && (place[1] === 'first_stage_model' || shared);
    if (ofFirst) weights.set(key, inner.weights.get(place[2]!)!);
    else if (/^transformer\.(tok_emb|head)\.weight$/.test(key)) weights.set(key, rowsOf(tensor, kept));
    else weights.set(place && params['cond_stage_key'] === 'several' ? moved(key, net) : key, tensor);
  }
  return { section: { ...section, params }, weights };
}

/** Returns the key of a condition's weight once the condition is the first of several. */
const moved = (key: string, { condStageModel }: TwoStage): string =>
  condStageModel instanceof Several
    ? key
    : key.replace(/^cond_stage_model\./, 'cond_stage_model.conditions.0.');

/**
 * Returns the old ids of the condition's tokens in their new order, which begins at `first`, and changes the
 * configuration accordingly. None for a condition that embeds, or is encoded by the first stage itself.
 */
function conditionIds(net: TwoStage, params: Params, first: number): number[] {
  const { condStageModel: stage, condition, unconditional } = net;
  if (stage === net.firstStageModel || condition.embed) return [];
  if (unconditional) {
    params['sos_token'] = first;
    return [net.config.sosToken];
  }
  if (net.config.downsampleCondSize > -1) {
    throw new TypeError(
      'a condition that is resized (downsample_cond_size) cannot be given ids of its own: it cannot be trimmed',
    );
  }
  const parts = stage instanceof Several ? stage.parts : [{ condStageModel: stage, condition, offset: 0 }];
  const ids = parts.flatMap(({ condStageModel, offset }) => {
    const count = condStageModel.nCodes;
    if (count !== undefined) return Array.from({ length: count }, (_, i) => offset + i);
    throw new TypeError(
      `the number of ids of a condition, a ${condStageModel.constructor.name}, is not known: it cannot be trimmed`,
    );
  });
  const given = params['cond_stage_config'] as ModelConfig;
  const list = stage instanceof Several ? (given.params as Params)['conditions'] : [given];
  const keys = parts.map(({ condStageModel, condition: one }) =>
    'parse' in condStageModel ? null : one.field,
  );
  params['cond_stage_config'] = {
    target: SEVERAL,
    params: { conditions: list, keys, separate_vocabulary: true, first_id: first },
  };
  params['cond_stage_key'] = 'several';
  return ids;
}

/** Returns numbers of `count` codes in the order of those `used`; those of others become 0, as in a window without any. */
function renumbered(numbers: Tensor, used: readonly number[], count: number): Tensor {
  const places = new BigInt64Array(count);
  used.forEach((code, i) => (places[code] = BigInt(i)));
  const now = torch.tensor(places).to(numbers.device);
  return torch.noGrad(() => now.indexSelect(0, numbers.flatten()).reshape(numbers.shape));
}

/** Returns rows of a tensor [K, …]. */
function rowsOf(tensor: Tensor, rows: readonly number[]): Tensor {
  return torch.noGrad(() => tensor.indexSelect(0, torch.tensor(rows.map(BigInt), { device: tensor.device })));
}
