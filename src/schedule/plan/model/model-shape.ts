/** The sizes of a decoder-only transformer that determine its time and memory. */
export interface ModelShape {
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** Key and value heads; fewer than `numHeads` with grouped-query attention. */
  readonly numKeyValueHeads: number;
  /** Values of a head; with latent attention the mean of a query head and a value head. */
  readonly headSize: number;
  readonly mlpSize: number;
  /** Matrices of an MLP or an expert: 2, or 3 where it is gated. */
  readonly numMlpMatrices: number;
  readonly vocabularySize: number;
  readonly tiedEmbedding: boolean;
  /** Weights of a layer's attention, where heads do not give them, as with latent attention. */
  readonly attentionParameters?: number;
  /** The experts that take the place of the MLP; absent from a dense model. */
  readonly experts?: ExpertShape;
  /** All parameters, with norms and biases; absent where only the sizes are known. */
  readonly counts?: ParameterCounts;
}

/** The experts of a layer. */
export interface ExpertShape {
  readonly numExperts: number;
  /** Experts that the router chooses for a token. */
  readonly numChosen: number;
  /** The size of one expert's MLP. */
  readonly size: number;
  /** The size of the MLP that every token passes in addition; 0 for none. */
  readonly sharedSize: number;
  /** Layers at the start that have an MLP and no experts. */
  readonly numDenseLayers: number;
}

export interface ParameterCounts {
  readonly total: number;
  /** Parameters that one token uses: all but the experts that the router does not choose for it. */
  readonly active: number;
}

/** Weights of one layer's attention. */
function attentionParameters(model: ModelShape): number {
  const { hiddenSize, numHeads, numKeyValueHeads, headSize } = model;
  return model.attentionParameters ?? hiddenSize * headSize * (2 * numHeads + 2 * numKeyValueHeads);
}

/** Weights of one dense layer's products, without norms and biases, which are less than a thousandth. */
export function layerParameters(model: ModelShape): number {
  return attentionParameters(model) + model.numMlpMatrices * model.hiddenSize * model.mlpSize;
}

/** Weights of the experts of one layer: all of them, and those that one token uses. 0 in a dense model. */
export function expertParameters({ hiddenSize, numMlpMatrices, experts }: ModelShape): ParameterCounts {
  const one = numMlpMatrices * hiddenSize * (experts?.size ?? 0);
  return { total: one * (experts?.numExperts ?? 0), active: one * (experts?.numChosen ?? 0) };
}

/** Weights of one layer with experts that each token uses: attention, router and the shared MLP. */
export function commonParameters(model: ModelShape): number {
  const { numExperts = 0, sharedSize = 0 } = model.experts ?? {};
  const { hiddenSize, numMlpMatrices } = model;
  return attentionParameters(model) + hiddenSize * numExperts + numMlpMatrices * hiddenSize * sharedSize;
}

/** Parameters of the embedding; an untied head has as many. */
export function embeddingParameters({ hiddenSize, vocabularySize }: ModelShape): number {
  return hiddenSize * vocabularySize;
}
