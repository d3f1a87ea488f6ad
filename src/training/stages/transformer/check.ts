/** Validates a second stage's configuration before anything is opened or written. */
import { LABEL } from '../../../data/fields/example.js';
import { LAYOUT } from '../../../data/fields/layout.js';
import { codesOfConfig } from '../../../models/autoencoder/stride.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { Condition, Stage } from '../../../models/conditions/condition.js';
import { Several } from '../../../models/conditions/several.js';
import { VECTORS } from '../../../models/conditions/vectors.js';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import * as torch from '../../../torch/index.js';
import { modelOfSection } from '../../engine/model-section.js';
import { checkOptimizer } from '../../engine/optimizers.js';
import { checkFirstStage, checkSize } from '../first-stage-check.js';
import type { Images } from '../../images.js';
import type { InitialWeights } from '../initial-weights.js';
import { withOneClass } from './classes.js';
import { isModel, sectionsOfSeveral } from './condition-sections.js';
import { isCondition, sizes } from './first-stage.js';

type Params = Record<string, unknown>;

/** Path of the condition below `model`. */
const CONDITION = 'params.cond_stage_config';

/** Returns the fields of an image that are encoded once: those of a map or of several conditions, but not one class alone. */
export function fieldsToEncode({ field, fields }: Condition): string[] {
  if (fields) return [...fields];
  return field === null || field === LABEL || field === VECTORS ? [] : [field];
}

/**
 * Validates the model section and the initial weights before anything is written. Returns the fields of an image that
 * the condition encodes; none without a condition.
 */
export function checkTransformer(config: RunConfig, initial: InitialWeights | null = null): string[] {
  checkOptimizer(config.training, 'AdamW');
  if (config.data.buckets) {
    throw new RunError(
      'data.buckets is for first stages: a transformer is trained on codes of squares; leave it out',
    );
  }
  checkViews(config);
  const { model } = withOneClass(config);
  const net = modelOfSection<TwoStage>(model, false);
  const params = config.model.params as Params;
  const first = (params['first_stage_config'] as { params: Params }).params;
  const needed = sizes(first, params, config.data.size);
  const { codesPerSide } = codesOfConfig(first);
  try {
    const parts = net.condStageModel instanceof Several ? net.condStageModel.parts : [net];
    if (parts.some(({ condition }) => condition.channels === undefined)) {
      throw new RunError(
        'model.params.cond_stage_config: this trainer supports class labels (taming.modules.util.Labelator), coordinates ' +
          '(taming.modules.misc.coord.CoordStage), layouts (tessera.conditions.LayoutStage), vectors ' +
          '(tessera.conditions.VectorStage), a map that a VQGAN encodes, or no condition; for others, write your own loop with transformerStep',
      );
    }
    if (net.pkeep < 0) {
      throw new TypeError(
        `model.params.pkeep must be a number from 0 to 1, the share of tokens that a step keeps; got ${net.pkeep}`,
      );
    }
    const { firstStageModel } = net;
    if (firstStageModel instanceof FirstStage)
      checkFirstStage(firstStageModel, config, 'model.params.first_stage_config');
    for (const { condStageModel: stage } of parts) {
      if (stage instanceof FirstStage) checkSize(stage, config.data.size);
    }
    // As long as the number of classes is unknown, so are the sizes.
    if (initial !== null && model === config.model) initial.fill(net);
    checkOrder(net, codesPerSide(config.data.size) ** 2);
    checkRoom(net, needed, config);
    return fieldsToEncode(net.condition);
  } finally {
    torch.dispose([...net.parameters(), ...net.buffers()]);
  }
}

function checkViews({ data, training: { views } }: RunConfig): void {
  if (data.crop !== 'center' || views === 1) return;
  throw new RunError(
    `training.views=${views} encodes ${views} crops of each image, but with data.crop=center all of them would be alike: leave ` +
      'out training.views, or set data.crop=random',
  );
}

/** @throws RunError if the maps of the images have other channels than the condition takes, or the layouts other classes */
export function checkMaps(config: RunConfig, { train }: Images): void {
  const params = config.model.params as Params;
  const condition = params['cond_stage_config'];
  const several = sectionsOfSeveral(condition);
  const { keys = [] } = ((several && (condition as ModelConfig).params) ?? {}) as {
    keys?: (string | null)[];
  };
  for (const [i, section] of (several ?? [condition]).entries()) {
    const field = (several ? keys[i] : config.data.maps?.[0]) ?? null;
    checkCondition(section, { params, field, path: config.data.path, train });
  }
}

function checkCondition(
  section: unknown,
  given: { params: Params; field: string | null; path: string; train: Images['train'] },
): void {
  const { params, path, train } = given;
  const { field, channels: taken, where } = inputOf(section, params, given.field);
  if (field === LAYOUT) return checkObjects(section as ModelConfig, path, train);
  if (field === null || taken === null) return;
  const channels = train.channelsOfMap(field);
  if (taken === channels) return;
  throw new RunError(
    `the map "${field}" of the images in ${path} has ${channels} channel${channels === 1 ? '' : 's'}, but the condition${where}`,
  );
}

/** Returns the field that a condition reads and the channels that it takes, and where a configuration names those. */
function inputOf(section: unknown, params: Params, field: string | null) {
  if (isModel(section) && isCondition(section)) {
    const stage = modelOfSection<Stage & Condition>(section, false, CONDITION);
    const { channels = null } = stage;
    torch.dispose([...stage.parameters(), ...stage.buffers()]);
    return { field: stage.field, channels, where: `, a ${section.target}, takes ${channels}` };
  }
  const key = isModel(section) ? 'cond_stage_config' : 'first_stage_config';
  const shared = section === '__is_first_stage__' ? (params[key] as ModelConfig) : section;
  if (!isModel(shared)) return { field: null, channels: null, where: '' };
  const { in_channels: channels } = shared.params!['ddconfig'] as { in_channels: number };
  const where = `'s VQGAN takes ${channels} (model.params.${key}.params.ddconfig.in_channels): name one trained on such maps`;
  return { field, channels, where };
}

/** Throws unless the condition has the classes of the images' objects. */
function checkObjects({ params }: ModelConfig, path: string, { objectClasses }: Images['train']): void {
  const given = params!['no_object_classes'] as number;
  if (given >= objectClasses.length) return;
  throw new RunError(
    `the layouts of ${path} have ${objectClasses.length} classes of objects (${objectClasses.join(', ')}), but ` +
      `model.params.cond_stage_config.params.no_object_classes is ${given}: set it to ${objectClasses.length}`,
  );
}

/** Throws if the transformer's vocabulary or block is too small. */
function checkRoom({ transformer }: TwoStage, needed: ReturnType<typeof sizes>, { data }: RunConfig) {
  for (const [name, value] of [
    ['vocab_size', transformer.vocabSize],
    ['block_size', transformer.blockSize],
  ] as const) {
    if (value < needed[name]) {
      throw new TypeError(
        `model.params.transformer_config.params.${name} is ${value}, but this VQGAN and images of ` +
          `${data.size} pixels need at least ${needed[name]}: leave it out, or set it to ${needed[name]}`,
      );
    }
  }
}

/** Throws if the reading order is for a code grid of a different size than that of the images. */
function checkOrder({ permuter }: TwoStage, codes: number): void {
  try {
    torch.scope(() => void permuter.forward(torch.zeros([1, codes], { dtype: 'int64' })));
  } catch (cause) {
    const side = Math.sqrt(codes);
    throw new TypeError(
      `model.params.permuter_config: ${(cause as Error).message} Images have ${side} × ${side} codes: set its H and W to ${side}`,
      { cause },
    );
  }
}
