/** Objects that hold parts without being one. */
type Container = readonly unknown[] | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | object;

/**
 * The parts in a property of a module, with their names: the value itself, or those in arrays, plain objects, Maps and
 * Sets, at any depth. In `experts = { a: [layer] }` the layer's name is `experts.a.0`; elements of a Set are counted.
 * Private fields, closures and objects of other classes cannot be searched, or should not be.
 */
export function* partsIn<Part>(
  name: string,
  value: unknown,
  isPart: (value: unknown) => value is Part,
  containers: ReadonlySet<object> = new Set(),
): Generator<[name: string, part: Part], void, void> {
  if (typeof value !== "object" || value === null) return;
  if (isPart(value)) {
    yield [name, value];
    return;
  }
  if (!isContainer(value) || containers.has(value)) return;
  const within = new Set([...containers, value]);
  for (const [key, element] of entriesOf(value))
    if (typeof element === "object") yield* partsIn(`${name}.${key}`, element, isPart, within);
}

function isContainer(value: object): value is Container {
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function* entriesOf(container: Container): Generator<[key: string, element: unknown], void, void> {
  if (Array.isArray(container) || container instanceof Set) {
    let index = 0;
    for (const element of container) yield [String(index++), element];
  } else if (container instanceof Map) {
    let index = 0;
    for (const [key, element] of container) {
      yield [typeof key === "object" ? String(index) : String(key), element];
      index++;
    }
  } else {
    yield* Object.entries(container);
  }
}
