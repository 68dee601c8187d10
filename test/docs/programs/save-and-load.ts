import { Linear, loadModule, Runtime, saveModule } from "dualpipe";

const runtime = Runtime.load();
const model = new Linear(runtime, 2, 2);
const before = model.weight.toArray();

await saveModule("model.safetensors", model, { dtype: "bfloat16" });
await loadModule("model.safetensors", model);

console.log(Math.max(...model.weight.toArray().map((value, i) => Math.abs(value / before[i]! - 1))));
