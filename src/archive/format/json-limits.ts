/** What a JSON text may contain. A short text may otherwise need fifty times as much memory as its own size. */
export interface JsonLimits {
  /** How deep lists and objects may be nested. */
  readonly depth: number;
  /** How many properties an object may have. */
  readonly properties: number;
  /** How many lists and objects there may be. */
  readonly containers: number;
  /** How many values there may be. */
  readonly values: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Whether a JSON text keeps within limits. It is read only as far as that takes, and need not be valid: brackets and commas
 * outside of strings are counted.
 */
export function isWithin(content: Buffer, most: JsonLimits): boolean {
  /** For each open container, how many more properties it may have. */
  const open: number[] = [];
  let containers = 0;
  let values = 0;
  let isString = false;
  for (let at = 0; at < content.length; at += 1) {
    const byte = content[at];
    if (isString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) isString = false;
      continue;
    }
    if (byte === QUOTE) isString = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      containers += 1;
      open.push(byte === OPEN_OBJECT ? most.properties - 1 : Number.POSITIVE_INFINITY);
      if (open.length > most.depth || containers > most.containers) return false;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) open.pop();
    else if (byte === COMMA) {
      values += 1;
      const left = (open.pop() ?? 0) - 1;
      open.push(left);
      if (left < 0 || values > most.values) return false;
    }
  }
  return true;
}
