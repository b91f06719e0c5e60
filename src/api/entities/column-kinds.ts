import type { EntityProperty } from '@mikro-orm/core';
import { timeText } from '../scalars.ts';

/** The GraphQL scalars that columns have. */
export type ScalarName =
  | 'BigInt'
  | 'Boolean'
  | 'Date'
  | 'DateTime'
  | 'Decimal'
  | 'Float'
  | 'ID'
  | 'Int'
  | 'JSON'
  | 'String';

const operators = [
  'eq',
  'ne',
  'in',
  'notIn',
  'lt',
  'lte',
  'gt',
  'gte',
  'contains',
  'overlaps',
  'startsWith',
  'endsWith',
  'isNull',
] as const;

/** The conditions that a filter can set on a column. */
export type Operator = (typeof operators)[number];

/** Whether it is the name of an {@link Operator}, which no field of a filter can have. */
export function isOperator(name: string): name is Operator {
  return (operators as readonly string[]).includes(name);
}

/** What the API makes of a type of PostgreSQL. */
export interface ColumnKind {
  readonly scalar: ScalarName;
  /** Whether the column is an array of such values. */
  readonly isArray: boolean;
  /** The name of its filter input, without `Filter`. Kinds of the same name have the same operators. */
  readonly filter: string;
  readonly operators: readonly Operator[];
  /** Whether the column can be in `orderBy` and in keys. */
  readonly isOrdered: boolean;
  /** Returns SQL that formats a value for JSON as the scalar needs it. */
  json(sql: string): string;
  /** Converts a value of a filter to a parameter. */
  parameter(value: unknown): unknown;
}

const asText = (sql: string) => `${sql}::text`;
const asIs = (value: unknown) => value;
const equality = ['eq', 'ne', 'in', 'notIn', 'isNull'] as const;
const comparison = [...equality, 'lt', 'lte', 'gt', 'gte'] as const;

function kind(scalar: ScalarName, operators: readonly Operator[], rest: Partial<ColumnKind> = {}): ColumnKind {
  return { scalar, filter: scalar, operators, isArray: false, isOrdered: true, json: asIs, parameter: asIs, ...rest } as
    // `asIs` is generic in all but its declaration.
    ColumnKind;
}

/** Formats a time as RFC 3339 in UTC, with as many digits as the column has, but at least milliseconds. */
function time(zone: string, digits: number): ColumnKind {
  const format = `YYYY-MM-DD"T"HH24:MI:SS.${digits > 3 ? 'US' : 'MS'}"Z"`;
  return kind('DateTime', comparison, {
    json: (sql) => `to_char(${sql}${zone}, '${format}')`,
    parameter: (value) => (value instanceof Date ? timeText(value) : value),
  });
}

const text = kind('String', [...comparison, 'contains', 'startsWith', 'endsWith']);
const int = kind('Int', comparison);
const bigint = kind('BigInt', comparison, { json: asText });
const decimal = kind('Decimal', comparison, { json: asText });
const float = kind('Float', comparison);
/** Any other type, in PostgreSQL's own notation. */
const other = kind('String', comparison, { filter: 'Value', json: asText });
const range = kind('String', ['eq', 'ne', 'contains', 'overlaps', 'isNull'], { filter: 'Range', json: asText });
const uncomparable = kind('String', ['isNull'], { filter: 'Null', json: asText, isOrdered: false });

const kinds: Readonly<Record<string, ColumnKind>> = {
  uuid: kind('ID', equality),
  text,
  varchar: text,
  'character varying': text,
  char: text,
  bpchar: text,
  character: text,
  citext: text,
  smallint: int,
  smallserial: int,
  serial: int,
  bigserial: bigint,
  int,
  int2: int,
  int4: int,
  integer: int,
  bigint,
  int8: bigint,
  numeric: decimal,
  decimal,
  real: float,
  float4: float,
  float8: float,
  'double precision': float,
  bool: kind('Boolean', ['eq', 'ne', 'isNull']),
  boolean: kind('Boolean', ['eq', 'ne', 'isNull']),
  date: kind('Date', comparison, { json: asText }),
  json: kind('JSON', ['isNull'], { filter: 'Null', isOrdered: false }),
  jsonb: kind('JSON', ['eq', 'ne', 'contains', 'isNull'], {
    isOrdered: false,
    parameter: (value) => JSON.stringify(value),
  }),
  bytea: kind('String', ['isNull'], {
    filter: 'Null',
    isOrdered: false,
    json: (sql) => `translate(encode(${sql}, 'base64'), E'\\n', '')`,
  }),
  xml: uncomparable,
  point: uncomparable,
  line: uncomparable,
  lseg: uncomparable,
  box: uncomparable,
  path: uncomparable,
  polygon: uncomparable,
  circle: uncomparable,
};

/** Returns the kind of a column, by its type in PostgreSQL. */
export function kindOf(property: Pick<EntityProperty, 'columnTypes' | 'enum'>): ColumnKind {
  const [type = 'text'] = property.columnTypes;
  if (type.endsWith('[]')) return arrayOf(kindOfType(type.slice(0, -2)));
  // The scalar is replaced by the enum's own type.
  if (property.enum) return kind('String', equality, { json: asText });
  return kindOfType(type);
}

function kindOfType(type: string): ColumnKind {
  const [name = ''] = type
    .toLowerCase()
    .replace(/ with(?:out)? time zone/, '')
    .split(/ ?\(/, 1);
  const digits = /\((\d+)/.exec(type)?.[1];
  // PostgreSQL's default are microseconds.
  if (name === 'timestamptz') return time(" AT TIME ZONE 'UTC'", Number(digits ?? 6));
  if (name === 'timestamp')
    return time(type.includes('with time zone') ? " AT TIME ZONE 'UTC'" : '', Number(digits ?? 6));
  if (name.endsWith('range')) return range;
  return kinds[name] ?? other;
}

function arrayOf(element: ColumnKind): ColumnKind {
  const isPlain = element.json('x') === 'x';
  return {
    ...element,
    isArray: true,
    filter: `${element.filter}List`,
    operators: element.isOrdered ? ['eq', 'ne', 'contains', 'overlaps', 'isNull'] : ['isNull'],
    // Each element has a format of its own.
    json: (sql) =>
      isPlain ? sql : `CASE WHEN ${sql} IS NOT NULL THEN ARRAY(SELECT ${element.json('e')} FROM unnest(${sql}) e) END`,
    parameter: (value) => (Array.isArray(value) ? value.map((each) => element.parameter(each)) : value),
  };
}
