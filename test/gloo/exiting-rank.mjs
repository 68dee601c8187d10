// A step over all ranks, then messages to every other rank that none of them takes.
import { add, DualPipe, Linear, mseLoss, SGD } from "dualpipe";

export default function program({ runtime, rank, numRanks, processGroup }) {
  const stages = [new Linear(runtime, 4, 4), new Linear(runtime, 4, 4)];
  const pipe = new DualPipe(stages, { processGroup });
  const optimizer = new SGD(pipe.parameters().map((parameter, i) => [`${i}`, parameter]));
  runtime.scope(() => {
    const x = runtime.randn([16, 4]);
    const { inputs, labels } = pipe.partOf({ inputs: x, labels: [add(x, 1)] }, 8);
    pipe.step(inputs, { numChunks: 8, criterion: mseLoss, labels });
    optimizer.step();
    for (let other = 0; other < numRanks; other++) {
      if (other === rank) continue;
      // Messages that arrive and are never taken, and others for which no receive is ever posted.
      processGroup.receive(other, "activations");
      processGroup.send(other, "weights", [runtime.ones([1000])]);
      for (let i = 1; i <= 3; i++) processGroup.send(other, "activations", [runtime.ones([1000 * i]), null]);
      processGroup.send(other, "gradients", [runtime.ones([1])]);
    }
    // Every rank is here before any of them leaves.
    for (let other = 0; other < numRanks; other++)
      if (other !== rank) processGroup.receive(other, "gradients").take();
  });
}
