/** The classes of the reference that a configuration may name. */
import { count, model, type Given, type Schema } from '../../config/schema.js';
import type * as nn from '../../torch/nn/index.js';
import { Labelator } from '../conditions/class.js';
import { LayoutStage } from '../conditions/layout/stage.js';
import { CoordStage } from '../conditions/coordinates.js';
import { SOSProvider } from '../conditions/none.js';
import { Several } from '../conditions/several.js';
import { DummyCondStage } from '../conditions/tokens.js';
import { VectorStage } from '../conditions/vectors.js';
import { NLayerDiscriminator } from '../losses/discriminator.js';
import { Net2NetTransformer } from '../two-stage.js';
import { LPIPS } from '../losses/lpips.js';
import {
  AlternateParsingPermuter,
  IdentityPermuter,
  RandomPermuter,
  SpiralInPermuter,
  SpiralOutPermuter,
  SubsamplePermuter,
  ZCurvePermuter,
} from '../orders/permuter.js';
import { BCELoss, BCELossWithQuant, DummyLoss } from '../losses/segmentation-loss.js';
import { priors } from '../priors/index.js';
import { EMAVQ, FirstStage, firstStageSchema, GumbelVQ, VQModel } from '../autoencoder/vqgan.js';
import { quantizers } from '../quantizers/index.js';
import type { Quantizer } from '../quantizers/quantizer.js';
import { VQLPIPSWithDiscriminator } from '../losses/vqgan-loss.js';

/** A class that a configuration may name. */
export interface Target {
  readonly schema: Schema;
  /** Builds the module from settings read by the schema, in which nested models are already built. */
  make(settings: Record<string, unknown>): nn.Module;
}

/** Returns a target for a class whose constructor takes the settings of its schema. */
function of<S extends Schema>(Class: (new (config: Given<S>) => nn.Module) & { readonly schema: S }): Target {
  return as(Class.schema, (settings) => new Class(settings));
}

/** Returns a target from a schema and a function that builds a model from its settings. */
function as<S extends Schema>(schema: S, make: (settings: Given<S>) => nn.Module): Target {
  return { schema, make: (settings) => make(settings as Given<S>) };
}

const { inChannels: inputNc, ...discriminatorSchema } = NLayerDiscriminator.schema;
const dummyLoss = as({}, () => new DummyLoss());
const permuters = 'taming.modules.transformer.permuter';
const vqgan = 'taming.models.vqgan';
const losses = 'taming.modules.losses';

/** First stage with any quantizer. The reference does not have such a class. */
const anyFirstStage = {
  ...firstStageSchema,
  quantizer: model<() => Quantizer>(
    `a quantizer, such as tessera.quantizers.${Object.keys(quantizers)[0]}`,
    (value) => typeof value === 'function',
    'later',
  ),
};

/** All known targets by dotted name: the reference's name, or this package's if the reference does not have the class. */
export const targets: ReadonlyMap<string, Target> = new Map<string, Target>([
  [`${vqgan}.VQModel`, of(VQModel)],
  [
    `${vqgan}.VQSegmentationModel`,
    as(
      { nLabels: count(), ...VQModel.schema },
      ({ nLabels, ...config }) => new VQModel({ ...config, colorizeNlabels: nLabels }),
    ),
  ],
  [`${vqgan}.GumbelVQ`, of(GumbelVQ)],
  [`${vqgan}.EMAVQ`, of(EMAVQ)],
  [`${losses}.vqperceptual.VQLPIPSWithDiscriminator`, of(VQLPIPSWithDiscriminator)],
  [`${losses}.DummyLoss`, dummyLoss],
  [`${losses}.vqperceptual.DummyLoss`, dummyLoss],
  [`${losses}.segmentation.BCELoss`, as({}, () => new BCELoss())],
  [`${losses}.segmentation.BCELossWithQuant`, of(BCELossWithQuant)],
  // The reference enables dropout by default; this package requires it to be set explicitly.
  [`${losses}.lpips.LPIPS`, of(LPIPS)],
  [
    'taming.modules.discriminator.model.NLayerDiscriminator',
    as(
      { inputNc, ...discriminatorSchema },
      ({ inputNc: inChannels, ...config }) =>
        new NLayerDiscriminator({ ...config, ...(inChannels && { inChannels }) }),
    ),
  ],
  ['taming.models.cond_transformer.Net2NetTransformer', of(Net2NetTransformer)],
  ...Object.entries(priors).map(
    ([name, { Class, target = `tessera.priors.${name}` }]) =>
      [target, as(Class.schema, (settings) => new Class(settings as never))] as const,
  ),
  ['taming.modules.misc.coord.CoordStage', of(CoordStage)],
  ['taming.modules.util.Labelator', of(Labelator)],
  ['taming.modules.util.SOSProvider', of(SOSProvider)],
  ['taming.models.dummy_cond_stage.DummyCondStage', of(DummyCondStage)],
  [`${permuters}.Identity`, as({}, () => new IdentityPermuter())],
  [`${permuters}.Subsample`, of(SubsamplePermuter)],
  [`${permuters}.ZCurve`, of(ZCurvePermuter)],
  [`${permuters}.SpiralOut`, of(SpiralOutPermuter)],
  [`${permuters}.SpiralIn`, of(SpiralInPermuter)],
  [`${permuters}.Random`, of(RandomPermuter)],
  [`${permuters}.AlternateParsing`, of(AlternateParsingPermuter)],
  [
    'tessera.autoencoder.FirstStage',
    as(anyFirstStage, ({ quantizer, ...config }) => new FirstStage(config, quantizer)),
  ],
  ['tessera.conditions.LayoutStage', of(LayoutStage)],
  ['tessera.conditions.Several', of(Several)],
  ['tessera.conditions.VectorStage', of(VectorStage)],
  ...Object.entries(quantizers).map(
    ([name, { Class }]) =>
      [`tessera.quantizers.${name}`, as(Class.schema, (settings) => new Class(settings as never))] as const,
  ),
]);

/** Classes of the reference that configurations name but that are not models here, with the reason. */
export const absentTargets: ReadonlyMap<string, string> = new Map([
  [
    `${vqgan}.VQNoDiscModel`,
    'it does not run in the reference either; use a VQModel without its discriminator',
  ],
  ['taming.modules.transformer.mingpt.CodeGPT', 'its forward pass fails in the reference; use a GPT'],
  ['taming.modules.transformer.mingpt.DummyGPT', 'it is a stand-in without weights; use a GPT'],
  ['taming.lr_scheduler.LambdaWarmUpCosineScheduler', 'a scheduler is not a model; it belongs to training'],
]);
