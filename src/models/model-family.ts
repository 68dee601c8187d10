/*
 * A model family is everything that a training run must know about one kind of model, and the only thing: which keys
 * `model` has in a configuration, which of their values go together, how the model is cut into stages, and how it is
 * stored in a Hugging Face folder. The trainer, the checkpoints and the export work on this interface and on `Module`,
 * so none of them names a model.
 *
 * To add a family, write a folder next to `gpt/` with an object of this type, and add a line to `families.ts`.
 */
import type { z } from "zod";
import type { Module } from "../nn/module.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Runtime } from "../tensor/runtime.ts";

/** The `model` section of a configuration, as far as all families have it. */
export interface ModelSection {
  /** The family's name. */
  readonly kind: string;
  /** The width of what travels between stages. */
  readonly hiddenSize: number;
}

/** What the other sections of a configuration say about the model. */
export interface ModelContext {
  readonly vocabSize: number;
  /** The longest sequence, in tokens. */
  readonly contextLength: number;
  readonly dtype: DType;
}

/** How a pipeline cuts a model. */
export interface ModelCut {
  readonly numStages: number;
  /** Whether one rank holds both the first and the last stage. */
  readonly endsShareRank: boolean;
  /** The schedule and the ranks, for messages, such as "dualpipe with 4 ranks". */
  readonly layout: string;
}

/** A value that does not go with others: the key in the `model` section, and what to change. */
export interface ModelIssue {
  readonly key: string;
  readonly problem: string;
  /** The other keys that the problem is about, with their sections, such as "pipeline.ranks". */
  readonly with: readonly string[];
}

export interface StagesOptions<Section> {
  readonly model: Section;
  readonly context: ModelContext;
  /** Stages of the whole pipeline. */
  readonly numStages: number;
  /** The stages to build. */
  readonly stageIndices: readonly number[];
  readonly runtime: Runtime;
  /** Initial weights depend on the seed and on their own names, not on the stages or ranks that build them. */
  readonly seed: number;
}

/** The layers of a model that a stage holds. */
export interface LayerSlice {
  /** Layers from `firstLayer` up to, not including, `endLayer`. */
  readonly firstLayer: number;
  readonly endLayer: number;
  readonly hasEmbeddings: boolean;
  readonly hasHead: boolean;
}

/**
 * A stage of a language model. The first takes token indices, int64 [B, T]; the last returns logits [B, T, V].
 * State-dict keys are those of the whole model.
 */
export interface LanguageStage extends Module {
  readonly config: { readonly contextLength: number; readonly numLayers: number };
  readonly slice: LayerSlice;
}

/**
 * How a model is stored in a Hugging Face folder. The map goes from our parameters and buffers to the tensors of the
 * file, which serves both directions: a writer looks up each one it has, a reader each one it wants.
 */
export interface HuggingFaceLayout {
  /** The content of `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * The tensor that holds a parameter or buffer; a transposed one is a matrix stored as [in, out] where ours is
   * [out, in].
   */
  tensorOf(ownName: string): { readonly name: string; readonly isTransposed: boolean };
}

export interface ModelFamily<Section extends ModelSection> {
  /** Every key of the `model` section, with what it accepts and its default. */
  schema(): z.ZodType<Section>;
  /** The defaults that depend on other values. @param given The section before it is checked. */
  fittingDefaults(given: Readonly<Record<string, unknown>>, cut: ModelCut | undefined): Partial<Section>;
  /** The values of a section that do not go together, or do not go with the pipeline. */
  rules(model: Section, cut: ModelCut): readonly ModelIssue[];
  /** Builds stages on this rank, in the order asked for. */
  stages(options: StagesOptions<Section>): LanguageStage[];
  /** Operations of forward and backward for a token in a sequence of the context's length, as MFU counts them. */
  flopsPerToken(model: Section, context: ModelContext): number;
  toHuggingFace(model: Section, context: ModelContext): HuggingFaceLayout;
}
