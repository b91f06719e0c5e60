import { GraphQLError, GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import { DateTimeResolver, JSONResolver } from 'graphql-scalars';

/** A time with more digits than JavaScript's milliseconds, as a client sent it. */
class PreciseTime extends Date {
  /** RFC 3339 in UTC, with all digits. */
  readonly text: string;

  constructor(time: Date, fraction: string) {
    super(time);
    this.text = time.toISOString().replace(/\d{3}Z$/, `${fraction}Z`);
  }
}

/** Returns a time in RFC 3339, with the microseconds that a client sent. */
export function timeText(time: Date): string {
  return time instanceof PreciseTime ? time.text : time.toISOString();
}

const time = DateTimeResolver.toConfig();

function parseTime(parsed: Date, text: unknown): Date {
  const fraction = typeof text === 'string' ? /\.(\d{4,6})/.exec(text)?.[1] : undefined;
  return fraction === undefined ? parsed : new PreciseTime(parsed, fraction);
}

/** A time in UTC. Values that the database has formatted pass through, so that no microsecond is lost. */
export const DateTimeScalar = new GraphQLScalarType<Date, Date | string>({
  ...time,
  serialize: (value) =>
    typeof value === 'string' && /^\d{4,}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? value : time.serialize(value),
  parseValue: (value) => parseTime(time.parseValue(value), value),
  parseLiteral: (node, variables) =>
    parseTime(time.parseLiteral(node, variables), node.kind === Kind.STRING && node.value),
});

/** The arbitrary limit keeps huge numbers away from PostgreSQL; its largest numeric columns hold less in practice. */
const MAX_DIGITS = 200;

/** Creates a scalar for a format of texts. Unquoted numbers are accepted too, where the format allows them. */
function textScalar(name: string, description: string, isValid: (text: string) => boolean) {
  const parse = (value: unknown): string => {
    const text = typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
    if (typeof text === 'string' && text.length <= MAX_DIGITS && isValid(text)) return text;
    throw new GraphQLError(`${name} cannot represent ${JSON.stringify(value)?.slice(0, 100)}. ${description}`);
  };
  const literal = (node: ValueNode) =>
    node.kind === Kind.STRING || node.kind === Kind.INT || node.kind === Kind.FLOAT ? parse(node.value) : parse(node);
  return new GraphQLScalarType<string, string>({
    name,
    description,
    serialize: (value) => String(value),
    parseValue: parse,
    parseLiteral: literal,
  });
}

/** A decimal as a text, so that no digit is lost. */
export const DecimalScalar = textScalar('Decimal', 'A decimal number as a text, such as "12.50".', (text) =>
  /^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(text),
);

const MAX_BIGINT = 2n ** 63n;

/** An integer of 64 bits as a text, because JSON's numbers lose digits above 2^53. */
export const BigIntScalar = textScalar(
  'BigInt',
  'An integer of up to 64 bits as a text, such as "9007199254740993".',
  (text) => /^-?\d{1,19}$/.test(text) && BigInt(text) >= -MAX_BIGINT && BigInt(text) < MAX_BIGINT,
);

/** A day without a time. */
export const DateScalar = textScalar('Date', 'A day, such as "2026-11-29".', (text) => {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
});

const json = JSONResolver.toConfig();

/** Any JSON value. */
export const JsonScalar = new GraphQLScalarType<unknown, unknown>({
  ...json,
  // Objects without a prototype are input objects, which differ from values.
  parseLiteral: (node, variables) => structuredClone(json.parseLiteral(node, variables)),
});
