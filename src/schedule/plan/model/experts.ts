import { count, type Fields, failModel, flag } from "./fields.ts";
import type { Kind } from "./kinds.ts";
import type { ExpertShape } from "./model-shape.ts";

/** The experts that a config of this kind describes; undefined where the kind has none. */
export function readExperts(kind: Kind, fields: Fields, mlpSize: number): ExpertShape | undefined {
  if (kind.experts === undefined) return undefined;
  for (const [key, only] of [
    ["decoder_sparse_step", 1],
    ["moe_layer_freq", 1],
  ] as const)
    if ((fields[key] ?? only) !== only)
      failModel(`${key} must be ${only}: experts in every layer`, fields[key]);
  const dense = fields.mlp_only_layers ?? [];
  if (!Array.isArray(dense) || dense.length > 0) failModel("mlp_only_layers must be empty", dense);
  if (kind.experts === "mixtral") {
    return checked({
      ...{
        numExperts: count(fields, ["num_local_experts"], 8),
        numChosen: count(fields, ["num_experts_per_tok"], 2),
      },
      ...{ size: mlpSize, sharedSize: 0, numDenseLayers: 0 },
    });
  }
  if (kind.experts === "qwen") {
    const isSecond = kind.architecture === "Qwen2MoeForCausalLM";
    return checked({
      numExperts: count(fields, ["num_experts"], isSecond ? 60 : 128),
      numChosen: count(fields, ["num_experts_per_tok"], isSecond ? 4 : 8),
      size: count(fields, ["moe_intermediate_size"], isSecond ? 1408 : 768),
      sharedSize: isSecond ? count(fields, ["shared_expert_intermediate_size"], 5632) : 0,
      numDenseLayers: 0,
    });
  }
  const size = count(fields, ["moe_intermediate_size"]);
  return checked({
    ...{
      numExperts: count(fields, ["n_routed_experts"]),
      numChosen: count(fields, ["num_experts_per_tok"]),
      size,
    },
    sharedSize: size * count(fields, ["n_shared_experts"], 0, 0),
    numDenseLayers: count(fields, ["first_k_dense_replace"], 0, 0),
  });
}

function checked(experts: ExpertShape): ExpertShape {
  if (experts.numChosen > experts.numExperts)
    failModel(`num_experts_per_tok must be at most the ${experts.numExperts} experts`, experts.numChosen);
  return experts;
}

/** Values of a latent attention: its matrices in a layer, and the mean size of a query head and a value head. */
export function readLatent(fields: Fields, hiddenSize: number, numHeads: number) {
  if (flag(fields, "attention_bias")) failModel("attention_bias must be false with latent attention", true);
  const rank = count(fields, ["kv_lora_rank"], 512);
  const [plain, rotated, value] = [
    count(fields, ["qk_nope_head_dim"], 128),
    count(fields, ["qk_rope_head_dim"], 64),
    count(fields, ["v_head_dim"], 128),
  ];
  const queries = numHeads * (plain + rotated);
  const queryRank = fields.q_lora_rank === null ? undefined : count(fields, ["q_lora_rank"], 1536);
  const ofQueries = queryRank === undefined ? hiddenSize * queries : queryRank * (hiddenSize + queries);
  return {
    attentionParameters:
      ofQueries +
      hiddenSize * (rank + rotated) +
      numHeads * rank * (plain + value) +
      hiddenSize * numHeads * value,
    headSize: (plain + rotated + value) / 2,
  };
}
