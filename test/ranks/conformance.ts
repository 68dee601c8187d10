import assert from "node:assert/strict";
import type { DType } from "../../src/tensor/dtype.ts";
import { operator } from "../../src/tensor/native-operator.ts";
import { CHANNEL_KINDS, type ChannelKind, type ProcessGroup } from "../../src/transport/process-group.ts";
import { TransportError } from "../../src/transport/transport-error.ts";
import {
  abortByRank0,
  assertFailure,
  elementsOf,
  next,
  numbersOf,
  peersOf,
  previous,
  receiveNumbers,
  sendNumbers,
  synchronize,
} from "./conformance-messages.ts";

const TRANSPOSE = operator("aten::t");

/** The number of ranks that every case is written for. */
export const NUM_CONFORMANCE_RANKS = 3;

/** One rank's part of a case; it throws when the group breaks its contract. */
type RankBody = (group: ProcessGroup) => void;

const cases: Readonly<Record<string, RankBody>> = {
  "messages of one channel arrive in the order in which they were sent": (group) => {
    const numMessages = 200;
    for (const kind of CHANNEL_KINDS)
      for (let i = 0; i < numMessages; i++)
        for (const peer of peersOf(group)) sendNumbers(group, peer, kind, [group.rank, i]);
    for (const peer of peersOf(group))
      for (const kind of CHANNEL_KINDS)
        for (let i = 0; i < numMessages; i++) assert.deepEqual(receiveNumbers(group, peer, kind), [peer, i]);
  },

  "kinds and edges do not wait for one another": (group) => {
    for (const peer of peersOf(group))
      for (const kind of CHANNEL_KINDS) sendNumbers(group, peer, kind, [group.rank]);
    for (const kind of [...CHANNEL_KINDS].reverse())
      for (const peer of peersOf(group).reverse())
        assert.deepEqual(receiveNumbers(group, peer, kind), [peer]);
  },

  "the k-th posted receive gets the k-th message, whichever is waited for first": (group) => {
    const peer = next(group);
    const receipts = Array.from({ length: 6 }, () => group.receive(peer, "activations"));
    for (let i = 0; i < receipts.length; i++) sendNumbers(group, previous(group), "activations", [i]);
    const taken = [4, 5, 0, 2, 1, 3].map((i) => [i, ...numbersOf(receipts[i]!.take())]);
    for (const [posted, sent] of taken) assert.equal(sent, posted);
  },

  "a receive is done when its own message is there": (group) => {
    const [first, second] = [0, 1].map(() => group.receive(next(group), "gradients"));
    assert.equal(first!.isDone(), false);
    synchronize(group);
    sendNumbers(group, previous(group), "gradients", [1]);
    while (!first!.isDone());
    assert.equal(second!.isDone(), false);
    synchronize(group);
    sendNumbers(group, previous(group), "gradients", [2]);
    second!.wait();
    assert.equal(second!.isDone(), true);
    assert.deepEqual(numbersOf(first!.take()), [1]);
    assert.deepEqual(numbersOf(second!.take()), [2]);
  },

  "absent tensors and empty messages arrive as they were sent": (group) => {
    const { runtime } = group;
    runtime.scope(() => {
      const tensor = runtime.tensor([7]);
      const messages = [[], [null], [null, tensor, null], [tensor, tensor]];
      for (const message of messages) group.send(next(group), "activations", message);
      for (const message of messages) {
        const received = group.receive(previous(group), "activations").take();
        assert.deepEqual(received.map(elementsOf), message.map(elementsOf));
      }
    });
  },

  "every dtype and shape arrives as it was sent": (group) => {
    const { runtime } = group;
    const dtypes: DType[] = ["float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool"];
    runtime.scope(() => {
      const sent = dtypes.flatMap((dtype) => [
        runtime.tensor([1, 0, 1, 1, 0, 0], [2, 3], dtype),
        runtime.tensor([1], [], dtype),
        runtime.zeros([0, 3], dtype),
        runtime.call(TRANSPOSE, runtime.tensor([1, 0, 1, 1, 0, 0], [3, 2], dtype)),
      ]);
      for (const tensor of sent) group.send(next(group), "activations", [tensor]);
      for (const tensor of sent) {
        const [received] = group.receive(previous(group), "activations").take();
        assert.deepEqual(elementsOf(received!), elementsOf(tensor));
        assert.equal(received!.history, undefined);
      }
    });
  },

  "thousands of messages wait until they are asked for": (group) => {
    const numMessages = 5_000;
    for (let i = 0; i < numMessages; i++) sendNumbers(group, next(group), "activations", [i]);
    for (let i = 0; i < numMessages; i++)
      assert.deepEqual(receiveNumbers(group, previous(group), "activations"), [i]);
  },

  "the sender may free a tensor at once, and the receiver's scope frees what it received": (group) => {
    const { runtime } = group;
    const before = runtime.addon.numTensors();
    const tensor = runtime.full([1000], group.rank);
    group.send(next(group), "weight-gradients", [tensor]);
    tensor.dispose();
    const expected = new Array<number>(1000).fill(previous(group));
    assert.deepEqual(receiveNumbers(group, previous(group), "weight-gradients"), expected);
    assert.equal(runtime.addon.numTensors(), before);
  },

  "a subgroup has its own numbers and channels": (group) => {
    const members = [2, 0];
    if (!members.includes(group.rank)) {
      assertFailure(
        () => group.subgroup(members),
        "INVALID_PEER",
        `rank ${group.rank} is not in the group of the ranks 2, 0`,
      );
      return;
    }
    const pair = group.subgroup(members);
    assert.deepEqual([pair.rank, pair.size], [members.indexOf(group.rank), 2]);
    const other = members[1 - pair.rank]!;
    sendNumbers(group, other, "activations", [1]);
    sendNumbers(pair, 1 - pair.rank, "activations", [2]);
    assert.deepEqual(receiveNumbers(pair, 1 - pair.rank, "activations"), [2]);
    if (pair.rank === 0) {
      receiveNumbers(pair, 1, "control");
      pair.abort("only the pair");
    } else {
      sendNumbers(pair, 0, "control", [0]);
      assertFailure(() => pair.receive(0, "gradients").wait(), "ABORTED", "only the pair", pair);
    }
    assert.deepEqual(receiveNumbers(group, other, "activations"), [1]);
    sendNumbers(pair, 1 - pair.rank, "activations", [3]);
    assert.deepEqual(receiveNumbers(pair, 1 - pair.rank, "activations"), [3]);
  },

  "an abort ends every wait once, and then the group is as new": (group) => {
    for (let round = 0; round < NUM_CONFORMANCE_RANKS; round++) {
      const reason = `the reason of round ${round}`;
      const lost = group.receive(previous(group), "gradients");
      const alsoLost = group.receive(previous(group), "weight-gradients");
      if (group.rank === round) {
        // A rank that is still in an earlier transfer would get the abort there.
        for (const peer of peersOf(group)) receiveNumbers(group, peer, "control");
        group.abort(reason);
      } else {
        sendNumbers(group, round, "control", [0]);
        assertFailure(() => lost.wait(), "ABORTED", reason, group);
      }
      // What was under way is lost. Asking for it, which only one rank does, is not a second abort.
      if (group.rank === (round + 1) % group.size)
        assertFailure(() => alsoLost.wait(), "ABORTED", reason, group);
      sendNumbers(group, next(group), "gradients", [round]);
      assert.deepEqual(receiveNumbers(group, previous(group), "gradients"), [round]);
    }
  },

  "messages that an abort overtook are lost": (group) => {
    sendNumbers(group, next(group), "activations", [1]);
    synchronize(group);
    abortByRank0(group, "overtaken");
    sendNumbers(group, next(group), "activations", [2]);
    assert.deepEqual(receiveNumbers(group, previous(group), "activations"), [2]);
  },

  "a message that has arrived but was not taken before an abort is lost and freed": (group) => {
    const before = group.runtime.addon.numTensors();
    const [first, second] = [0, 1].map(() => group.receive(previous(group), "weight-gradients"));
    for (let i = 0; i < 2; i++) sendNumbers(group, next(group), "weight-gradients", [i]);
    second!.wait();
    abortByRank0(group, "found here");
    assert.equal(group.runtime.addon.numTensors(), before);
    for (const receipt of [first!, second!])
      assertFailure(() => receipt.take(), "ABORTED", "found here", group);
  },

  "a kind of message that does not exist is refused": (group) => {
    const kind = "letters" as ChannelKind;
    const message =
      'a message must be one of the kinds activations, gradients, weight-gradients, weights, control; got "letters"';
    assertFailure(() => group.send(next(group), kind, []), "INVALID_CHANNEL", message);
    assertFailure(() => group.receive(previous(group), kind), "INVALID_CHANNEL", message);
  },

  "a message with another label than expected is refused, until an abort": (group) => {
    group.send(next(group), "activations", [], `from ${group.rank}`);
    const receipt = group.receive(previous(group), "activations", "from 7");
    for (let i = 0; i < 2; i++)
      assert.throws(
        () => receipt.wait(),
        (error: unknown) => {
          const { code, peer, kind, expected, received } = error as TransportError;
          assert.deepEqual(
            [code, peer, kind, expected, received],
            ["MISMATCHED_MESSAGE", previous(group), "activations", "from 7", `from ${previous(group)}`],
          );
          return true;
        },
      );
    synchronize(group);
    abortByRank0(group, "the labels differ");
    group.send(next(group), "activations", [], "label");
    assert.deepEqual(group.receive(previous(group), "activations", "label").take(), []);
  },

  "an abort ends the phase of its rank and later ones, not the earlier phase of a slower rank": (group) => {
    const pair = group.rank === 0 ? undefined : group.subgroup([1, 2]);
    if (group.rank === 0) {
      for (const peer of [1, 2]) sendNumbers(group, peer, "activations", [peer]);
      group.beginPhase();
      group.abort("refused");
      for (const peer of [1, 2]) sendNumbers(group, peer, "activations", [10 * peer]);
    } else {
      // They take their time with what they do before, and lack nothing for it.
      const other = 3 - group.rank;
      for (let start = Date.now(); Date.now() - start < 300; );
      sendNumbers(group, other, "gradients", [group.rank]);
      sendNumbers(pair!, 2 - group.rank, "gradients", [group.rank]);
      assert.deepEqual(receiveNumbers(group, 0, "activations"), [group.rank]);
      assert.deepEqual(receiveNumbers(group, other, "gradients"), [other]);
      assert.deepEqual(receiveNumbers(pair!, 2 - group.rank, "gradients"), [other]);
      group.beginPhase();
      assertFailure(() => group.receive(other, "gradients").wait(), "ABORTED", "refused", group);
      assert.deepEqual(receiveNumbers(group, 0, "activations"), [10 * group.rank]);
    }
  },

  "a rank that does not exist is refused": (group) => {
    for (const peer of [-1, NUM_CONFORMANCE_RANKS, 0.5]) {
      const message = `there is no rank ${peer} in a group of ${NUM_CONFORMANCE_RANKS}`;
      assertFailure(() => group.send(peer, "control", []), "INVALID_PEER", message);
      assertFailure(() => group.receive(peer, "control"), "INVALID_PEER", message);
      assertFailure(() => group.subgroup([group.rank, peer]), "INVALID_PEER", message);
    }
    assertFailure(
      () => group.subgroup([group.rank, group.rank]),
      "INVALID_PEER",
      `a group has each of its ranks once; got ${group.rank}, ${group.rank}`,
    );
  },
};

export const conformanceCases: readonly string[] = Object.keys(cases);

/**
 * The contract of ProcessGroup as a test: every rank of a group of `NUM_CONFORMANCE_RANKS` calls it.
 * @returns What went wrong on this rank, by case; an empty record when nothing did.
 */
export function runConformance(group: ProcessGroup): Record<string, string> {
  const failures: Record<string, string> = {};
  for (const [name, body] of Object.entries(cases)) {
    try {
      body(group);
      synchronize(group);
    } catch (error) {
      failures[name] = String((error as Error).stack);
      if (!(error instanceof TransportError && error.code === "ABORTED")) group.abort(`${name}: ${error}`);
    }
  }
  return failures;
}
