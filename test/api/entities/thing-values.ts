import fc from 'fast-check';

/** A column, with the values that its rows have in a test. */
export interface ThingColumn {
  readonly name: string;
  /** The type in SQL, without its size. */
  readonly type: string;
  /** Values in PostgreSQL's notation. */
  readonly values: fc.Arbitrary<string>;
  /** Converts a value for the GraphQL API; by default it is the text. */
  readonly toJson?: (value: string) => unknown;
  /** The operators that its filter has, besides `isNull`. */
  readonly operators: readonly string[];
}

const equality = ['eq', 'ne', 'in', 'notIn'];
const comparison = [...equality, 'lt', 'lte', 'gt', 'gte'];
const texts = [...comparison, 'contains', 'startsWith', 'endsWith'];
const sets = ['eq', 'ne', 'contains', 'overlaps'];

const word = fc.constantFrom('a', 'A', 'b', 'ab', 'a%', '_', '\\', 'é', "'", 'a b', 'Z', '%a', 'aB_');
const whole = (most: number) => fc.integer({ min: -most, max: most }).map(String);
const few = (most: number) => fc.oneof(whole(3), whole(most));
const instant = fc
  .tuple(fc.integer({ min: 0, max: 2 }), fc.constantFrom('000000', '000001', '123456', '123457', '999999', '123000'))
  .map(([second, micros]) => `2026-01-01T00:00:0${second}.${micros}Z`);
const array = (values: fc.Arbitrary<string>) =>
  fc.array(values, { maxLength: 3 }).map((all) => `{${all.map((each) => JSON.stringify(each)).join()}}`);
const items = (value: string) => (JSON.parse(`[${value.slice(1, -1)}]`) as string[]).map(String);
const range = fc
  .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 1, max: 4 }))
  .map(([from, length]) => [from, from + length] as const);

/** Every column of the table `things` that has a filter of its own kind. */
export const thingColumns: readonly ThingColumn[] = [
  { name: 'text', type: 'text', values: word, operators: texts },
  { name: 'varchar', type: 'varchar', values: word, operators: texts },
  { name: 'char', type: 'bpchar', values: word, operators: equality },
  {
    name: 'bool',
    type: 'boolean',
    values: fc.boolean().map(String),
    toJson: (v) => v === 'true',
    operators: ['eq', 'ne'],
  },
  { name: 'small', type: 'smallint', values: few(32767), toJson: Number, operators: comparison },
  { name: 'int', type: 'int', values: few(2 ** 31 - 1), toJson: Number, operators: comparison },
  {
    name: 'big',
    type: 'bigint',
    values: fc.oneof(whole(3), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
    operators: comparison,
  },
  {
    name: 'numeric',
    type: 'numeric',
    values: fc.constantFrom('0', '0.1', '0.10', '12345678.1234', '-1.5', '1', '99999999.9999'),
    operators: comparison,
  },
  {
    name: 'real',
    type: 'real',
    values: fc.constantFrom('0', '0.1', '1e10', '-1.5', '3'),
    toJson: Number,
    operators: comparison,
  },
  {
    name: 'double',
    type: 'float8',
    values: fc.constantFrom('0', '0.1', '0.30000000000000004', '1e300', '-1.5'),
    toJson: Number,
    operators: comparison,
  },
  {
    name: 'date',
    type: 'date',
    values: fc.constantFrom('2026-01-01', '2024-02-29', '1970-01-01'),
    operators: comparison,
  },
  { name: 'micros', type: 'timestamptz', values: instant, operators: comparison },
  {
    name: 'millis',
    type: 'timestamptz',
    values: instant.map((text) => `${text.slice(0, 23)}Z`),
    operators: comparison,
  },
  { name: 'local', type: 'timestamp', values: instant, operators: comparison },
  {
    name: 'time',
    type: 'time',
    values: fc.constantFrom('10:00:00.000001', '10:00:00', '23:59:59.5'),
    operators: comparison,
  },
  {
    name: 'interval',
    type: 'interval',
    values: fc.constantFrom('1 day', '24:00:00', '1 mon', '00:00:01.5'),
    operators: comparison,
  },
  {
    name: 'uuid',
    type: 'uuid',
    values: fc.constantFrom(...[1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`)),
    operators: equality,
  },
  { name: 'inet', type: 'inet', values: fc.constantFrom('10.0.0.1', '10.0.0.0/8', '::1'), operators: comparison },
  {
    name: 'json',
    type: 'jsonb',
    values: fc.constantFrom('1', '"a"', '{"a": 1}', '{"a": 1, "b": [1, null]}', '[]'),
    toJson: (text) => JSON.parse(text),
    operators: ['eq', 'ne', 'contains'],
  },
  {
    name: 'status',
    type: 'text',
    values: fc.constantFrom('open', 'in work', 'done'),
    toJson: (text) => text.toUpperCase().replace(' ', '_'),
    operators: equality,
  },
  {
    name: 'mood',
    type: 'mood',
    values: fc.constantFrom('sad', 'happy'),
    toJson: (text) => text.toUpperCase(),
    operators: equality,
  },
  { name: 'texts', type: 'text[]', values: array(word), toJson: items, operators: sets },
  { name: 'ints', type: 'int[]', values: array(few(9)), toJson: (v) => items(v).map(Number), operators: sets },
  { name: 'decimals', type: 'numeric[]', values: array(fc.constantFrom('0.1', '2')), toJson: items, operators: sets },
  { name: 'instants', type: 'timestamptz[]', values: array(instant), toJson: items, operators: sets },
  {
    name: 'span',
    type: 'tstzrange',
    values: range.map(([from, to]) => `[2026-01-0${from + 1}T00:00:00Z,2026-01-0${to + 1}T00:00:00Z)`),
    operators: sets,
  },
  { name: 'numbers', type: 'int4range', values: range.map(([from, to]) => `[${from},${to})`), operators: sets },
];
