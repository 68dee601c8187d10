/**
 * A key that the outermost object of valid JSON has twice, if there is one. `JSON.parse` keeps the last of two equal
 * keys and so hides the other, so the keys are read from the text.
 */
export function firstDuplicateKey(json: string): string | undefined {
  const seen = new Set<string>();
  return rootKeys(json).find((key) => seen.size === seen.add(key).size);
}

/** The keys of the outermost object of valid JSON, in order. */
function rootKeys(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "{" || character === "[") {
      depth++;
    } else if (character === "}" || character === "]") {
      depth--;
    } else if (character === '"') {
      const start = i++;
      while (text[i] !== '"') {
        i += text[i] === "\\" ? 2 : 1;
      }
      if (depth === 1 && /^\s*:/.test(text.slice(i + 1, i + 64))) {
        keys.push(JSON.parse(text.slice(start, i + 1)) as string);
      }
    }
  }
  return keys;
}
