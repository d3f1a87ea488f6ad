/** The classes of the reference that a configuration may name. */
import { count, type Given, type Schema } from '../../config/schema.js';
import type * as nn from '../../torch/nn/index.js';
import { conditions } from '../conditions/index.js';
import { discriminators } from '../discriminators/index.js';
import { NLayerDiscriminator } from '../discriminators/n-layer.js';
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
import { VQGAN } from '../autoencoder/any-quantizer.js';
import { EMAVQ, GumbelVQ, VQModel } from '../autoencoder/vqgan.js';
import { quantizers } from '../quantizers/index.js';
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

/** Returns the targets of a registry: the reference's names, or else those below `tessera`. */
function entriesOf(
  room: string,
  entries: Readonly<
    Record<string, { Class: (new (config: never) => nn.Module) & { schema: Schema }; target?: string }>
  >,
): [string, Target][] {
  return Object.entries(entries).map(([name, { Class, target = `tessera.${room}.${name}` }]) => [
    target,
    { schema: Class.schema, make: (settings) => new Class(settings as never) },
  ]);
}

const { inChannels: inputNc, ...discriminatorSchema } = NLayerDiscriminator.schema;
const dummyLoss = as({}, () => new DummyLoss());
const permuters = 'taming.modules.transformer.permuter';
const vqgan = 'taming.models.vqgan';
const losses = 'taming.modules.losses';

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
  ...entriesOf('priors', priors),
  ...entriesOf('conditions', conditions),
  [`${permuters}.Identity`, as({}, () => new IdentityPermuter())],
  [`${permuters}.Subsample`, of(SubsamplePermuter)],
  [`${permuters}.ZCurve`, of(ZCurvePermuter)],
  [`${permuters}.SpiralOut`, of(SpiralOutPermuter)],
  [`${permuters}.SpiralIn`, of(SpiralInPermuter)],
  [`${permuters}.Random`, of(RandomPermuter)],
  [`${permuters}.AlternateParsing`, of(AlternateParsingPermuter)],
  ['tessera.VQGAN', of(VQGAN)],
  ['tessera.autoencoder.FirstStage', of(VQGAN)], // its name in versions before VQGAN was exported
  ...entriesOf('quantizers', quantizers),
  ...entriesOf('discriminators', discriminators),
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
