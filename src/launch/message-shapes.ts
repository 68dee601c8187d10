/**
 * The shapes of messages, as data, by which a process checks what another one has sent.
 *
 * A type of TypeScript says nothing about a line that arrives: anyone who knows the secret of a run, which is public
 * when none was set, may send `null`, a text in place of a number, or an array nested a million times. So nothing that
 * arrives is used before its shape was checked. A protocol declares the fields of each kind of its messages once, as
 * guards; the type of the messages and their guard both follow. A guard never throws and calls nothing recursive on
 * the value. Fields that a shape does not name are allowed and ignored.
 */
import { MAX_DURATION_MS } from "../errors/duration.ts";

/** Tells whether a value that may be anything is a `T`. */
export type Guard<T> = (value: unknown) => value is T;

type Fields = Readonly<Record<string, Guard<unknown>>>;
type Shapes = Readonly<Record<string, Fields>>;
type Guarded<G> = G extends Guard<infer T> ? T : never;
type RecordOf<F extends Fields> = { readonly [Key in keyof F]: Guarded<F[Key]> };

/** The messages that have these shapes: objects with a `kind` and the fields of that kind. */
export type MessageOf<S extends Shapes> = {
  [Kind in keyof S]: { readonly kind: Kind } & RecordOf<S[Kind]>;
}[keyof S];

/** The guard of the messages that have these shapes. */
export function messageGuard<const S extends Shapes>(shapes: S): Guard<MessageOf<S>> {
  const isOfKind = new Map(Object.entries(shapes).map(([kind, fields]) => [kind, record(fields)]));
  const hasKind = record({ kind: isText });
  return (value): value is MessageOf<S> => hasKind(value) && isOfKind.get(value.kind)?.(value) === true;
}

/** An object that has at least these fields. */
export function record<const F extends Fields>(fields: F): Guard<RecordOf<F>> {
  const entries = Object.entries(fields);
  return (value): value is RecordOf<F> =>
    typeof value === "object" &&
    value !== null &&
    entries.every(
      ([key, isRight]) => Object.hasOwn(value, key) && isRight((value as Record<string, unknown>)[key]),
    );
}

export function listOf<T>(isElement: Guard<T>): Guard<readonly T[]> {
  return (value): value is readonly T[] => Array.isArray(value) && value.every(isElement);
}

export function either<A, B>(isA: Guard<A>, isB: Guard<B>): Guard<A | B> {
  return (value): value is A | B => isA(value) || isB(value);
}

export function exactly<const T extends string | null>(wanted: T): Guard<T> {
  return (value): value is T => value === wanted;
}

export const isText = (value: unknown): value is string => typeof value === "string";

/** Whole numbers from 0. */
export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

/** Milliseconds. */
export const isDuration = (value: unknown): value is number =>
  typeof value === "number" && value > 0 && value <= MAX_DURATION_MS;

/** The value of a JSON text; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Values of any kind, for a receiver that checks them further. */
export const isAnything = (_value: unknown): _value is unknown => true;
