/** Model section and sizes that a second stage takes from its trained first stage and from its condition. */
import { codesOfConfig } from '../../../models/autoencoder/stride.js';
import {
  conditions,
  type Condition,
  type ConditionSizes,
  type Stage,
} from '../../../models/conditions/index.js';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import { channelsOf, type RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import { readConfig } from '../../../runs/folder.js';
import { modelOfSection } from '../../engine/model-section.js';
import { isModel, sectionsOfSeveral, withOnly } from './condition-sections.js';
import { adoptVectors } from './vectors.js';
import { conditionPart, configOfPart, firstStagePart, isRun } from './trained-part.js';

/** Target of a condition on classes. */
export const LABELATOR = 'taming.modules.util.Labelator';
type Params = Record<string, unknown>;

/** Fills in the first stage and the condition in the model section, and the sizes that depend on them. */
export async function adoptFirstStage(config: RunConfig): Promise<RunConfig> {
  const { model, data, training } = config;
  const params: Params = { ...model.params };
  const first = await configOfPart(firstStagePart, config);
  if (!first) {
    if (training.vqgan !== undefined) {
      throw new RunError(
        `training.vqgan: ${training.vqgan} is a checkpoint file, which does not describe its model; describe it in ` +
          'model.params.first_stage_config, as the reference does',
      );
    }
    throw new RunError(
      'a transformer is trained on the codes of a VQGAN: name the run of one in training.vqgan (--vqgan RUN)',
    );
  }
  params['first_stage_config'] = first;
  const several = sectionsOfSeveral(params['cond_stage_config']);
  if (several) await adoptSeveral(config, params, several);
  else await adoptCondition(config, params);
  await adoptVectors(config, params);
  if (params['cond_stage_config'] === undefined && params['unconditional'] === undefined) {
    params['unconditional'] = true;
  }
  if (params['unconditional'] === true) params['cond_stage_config'] ??= '__is_unconditional__';
  adoptNullToken(config, first.params as Params, params);
  const gpt = params['transformer_config'] as ModelConfig | undefined;
  if (gpt)
    params['transformer_config'] = {
      ...gpt,
      params: { ...sizes(first.params as Params, params, data.size), ...gpt.params },
    };
  const low = await lowResolutionIn(training.condition);
  return { ...config, data: { ...low, ...data, channels: channelsOf(first) }, model: { ...model, params } };
}

/** True for a condition on classes whose number is not known yet. */
const lacksClasses = (section: unknown): boolean =>
  isModel(section) && section.target === LABELATOR && section.params?.['n_classes'] === undefined;

/** Returns the low-resolution settings of the run of the condition's VQGAN, so that the transformer sees the same images. */
async function lowResolutionIn(run: string | undefined): Promise<Partial<RunConfig['data']>> {
  if (run === undefined || !isRun(run)) return {};
  const { lrFactor, lrEnlarge } = (await readConfig(run)).data;
  return { ...(lrFactor !== undefined && { lrFactor }), ...(lrEnlarge !== undefined && { lrEnlarge }) };
}

/**
 * Fills in the id of a dropped condition, if conditions are to be dropped: the one after the classes, or after all codes if
 * the condition is a map. Where the number of classes is not known yet, `withClasses` does.
 */
export function adoptNullToken({ data, training }: RunConfig, first: Params, params: Params): void {
  if (training.conditionDropout === 0) return;
  const sections = sectionsOfSeveral(params['cond_stage_config']) ?? [params['cond_stage_config']];
  if (sections.some(lacksClasses)) return;
  const { ids, tokens } = sizesOfCondition(first, params, data.size);
  if (params['cond_stage_config'] === '__is_unconditional__') {
    throw new RunError(
      `training.conditionDropout is ${training.conditionDropout}, but the model has no condition to drop: ` +
        'leave it out, or train with a condition (-c classes, or --condition RUN -c maps)',
    );
  }
  if (ids > 0) params['null_token'] ??= tokens === 1 ? ids : Math.max(codesOfConfig(first).nCodes, ids);
}

/** Fills in a condition that is a trained VQGAN of a map, and the field that it was trained on. */
async function adoptCondition(config: RunConfig, params: Params): Promise<void> {
  const given = params['cond_stage_config'] as ModelConfig | string | undefined;
  const trained = config.training.condition !== undefined || (isModel(given) && given.params?.['ddconfig']);
  if (!trained) return;
  if (params['unconditional'] === true || (given !== undefined && !isModel(given))) {
    throw new RunError(
      'training.condition names the VQGAN of a condition, but the model is described as ' +
        `${isModel(given) ? 'unconditional' : (given ?? 'unconditional')}: leave out the one or the other`,
    );
  }
  const condition = await configOfPart(conditionPart, config);
  if (!condition) {
    throw new RunError(
      `training.condition: ${config.training.condition} is a checkpoint file, which does not describe its model; ` +
        'describe it in model.params.cond_stage_config, as the reference does',
    );
  }
  params['cond_stage_config'] = condition;
  const field = condition.params?.['image_key'];
  if (typeof field === 'string') params['cond_stage_key'] ??= field;
}

/**
 * Fills in several conditions: the run that `training.condition` names as the VQGAN among them that has no weights of its
 * own, or as the last of them, the fields of all, and the first id after the image's codes.
 */
async function adoptSeveral(config: RunConfig, params: Params, sections: ModelConfig[]): Promise<void> {
  const isVqgan = (section: ModelConfig | undefined) => section?.params?.['ddconfig'] !== undefined;
  const open = sections.findIndex((one) => isVqgan(one) && one.params?.['ckpt_path'] === undefined);
  const place = open < 0 ? sections.length : open;
  if (config.training.condition !== undefined) {
    const named = await configOfPart(conditionPart, withOnly(config, sections[place]));
    if (named) sections[place] = named;
  }
  for (const [i, section] of sections.entries()) {
    if (i !== place && isVqgan(section)) {
      sections[i] = (await configOfPart(conditionPart, withOnly(config, section)))!;
    }
  }
  const given = params['cond_stage_config'] as ModelConfig;
  const keys = sections.map((section) => section.params?.['image_key'] ?? null);
  const first = params['first_stage_config'] as ModelConfig;
  const { nCodes } = codesOfConfig(first.params as Params);
  const own = { first_id: nCodes, keys, ...given.params };
  params['cond_stage_config'] = { ...given, params: { ...own, conditions: sections } };
  params['cond_stage_key'] ??= 'several';
}

/** Returns the minimum sizes of a transformer over a condition and the codes of a first stage. */
export function sizes(
  first: Params,
  params: Params,
  size: number,
): { vocab_size: number; block_size: number } {
  const { nCodes, codesPerSide } = codesOfConfig(first);
  const { ids: own, tokens } = sizesOfCondition(first, params, size);
  const ids = Math.max(own, ((params['null_token'] ?? -1) as number) + 1);
  // The last code is predicted, but not read.
  return { vocab_size: Math.max(nCodes, ids), block_size: codesPerSide(size) ** 2 + tokens - 1 };
}

/** Classes of conditions by their targets. */
const classes = new Map(
  Object.entries(conditions).map(([name, { Class, target = `tessera.conditions.${name}` }]) => [
    target,
    Class,
  ]),
);

/** True for the section of a condition, as opposed to that of a first stage that encodes a map. */
export const isCondition = ({ target }: ModelConfig): boolean => classes.has(target);

/** Returns the number of token ids of a condition, and of tokens that it encodes an image of the given size to. */
export function sizesOfCondition(first: Params, params: Params, size: number): ConditionSizes {
  const condition = params['cond_stage_config'] as ModelConfig | string | undefined;
  const several = sectionsOfSeveral(condition);
  if (several) {
    const all = several.map((one) => sizesOfCondition(first, { cond_stage_config: one }, size));
    const { separate_vocabulary: separate = true, first_id: next = 0 } = (condition as ModelConfig).params!;
    const ids = all.map((one) => one.ids);
    return {
      ids: separate ? ids.reduce((sum, count) => sum + count, next as number) : Math.max(...ids),
      tokens: all.reduce((sum, one) => sum + one.tokens, 0),
    };
  }
  if (condition === '__is_unconditional__') {
    return { ids: ((params['sos_token'] ?? 0) as number) + 1, tokens: 1 };
  }
  const encoder = isModel(condition) ? ((condition.params ?? {}) as Params) : first;
  if ('ddconfig' in encoder) {
    const smaller = (params['downsample_cond_size'] ?? -1) as number;
    const { nCodes, codesPerSide } = codesOfConfig(encoder);
    return { ids: nCodes, tokens: codesPerSide(smaller > -1 ? smaller : size) ** 2 };
  }
  const section = condition as ModelConfig;
  const build = () => modelOfSection<Stage & Condition>(section, false);
  return classes.get(section.target)?.sizes?.(encoder, size, build) ?? { ids: 0, tokens: 1 };
}
