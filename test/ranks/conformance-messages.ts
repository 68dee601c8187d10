// What the cases of the contract send, receive and assert.
import assert from "node:assert/strict";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { ChannelKind, ProcessGroup } from "../../src/transport/process-group.ts";
import { TransportError } from "../../src/transport/transport-error.ts";

export function peersOf({ rank, size }: ProcessGroup): number[] {
  return Array.from({ length: size }, (_, peer) => peer).filter((peer) => peer !== rank);
}

export const next = ({ rank, size }: ProcessGroup): number => (rank + 1) % size;
export const previous = ({ rank, size }: ProcessGroup): number => (rank + size - 1) % size;

export function sendNumbers(
  group: ProcessGroup,
  peer: number,
  kind: ChannelKind,
  numbers: readonly number[],
): void {
  group.runtime.scope(() => group.send(peer, kind, [group.runtime.tensor(numbers)]));
}

export function receiveNumbers(group: ProcessGroup, peer: number, kind: ChannelKind): number[] {
  return group.runtime.scope(() => numbersOf(group.receive(peer, kind).take()));
}

export function numbersOf(message: readonly (Tensor | null)[]): number[] {
  const numbers = message[0]!.toArray();
  for (const tensor of message) tensor?.dispose();
  return numbers;
}

export function elementsOf(tensor: Tensor | null) {
  return tensor && { dtype: tensor.dtype, shape: tensor.shape, elements: tensor.toArray() };
}

/** Waits until every rank is here. */
export function synchronize(group: ProcessGroup): void {
  for (const peer of peersOf(group)) group.send(peer, "control", []);
  for (const peer of peersOf(group)) group.receive(peer, "control").take();
}

/** Rank 0 aborts once the others have ended their earlier transfers; they hear of it in a receive. */
export function abortByRank0(group: ProcessGroup, reason: string): void {
  if (group.rank === 0) {
    for (const peer of peersOf(group)) receiveNumbers(group, peer, "control");
    group.abort(reason);
  } else {
    sendNumbers(group, 0, "control", [0]);
    assertFailure(() => group.receive(0, "gradients").wait(), "ABORTED", reason, group);
  }
}

export function assertFailure(body: () => void, code: string, message: string, group?: ProcessGroup): void {
  assert.throws(body, (error: unknown) => {
    assert.ok(error instanceof TransportError, `it must be a TransportError, and is ${error}`);
    assert.equal(error.code, code);
    assert.equal(error.group, group);
    assert.ok(error.message.includes(message), `"${error.message}" must include "${message}"`);
    return true;
  });
}
