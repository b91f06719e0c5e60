import { type LoggerOptions, stdSerializers } from 'pino';

/** How the log writes what it is given; the level is up to the settings. */
export const logOptions = {
  serializers: { err: (error: Error) => withoutRows(stdSerializers.err(error)) },
} satisfies LoggerOptions;

/**
 * PostgreSQL shows the whole row that breaks a rule, password hashes and personal data included; the error's other fields
 * tell the table, the column and the rule.
 */
function withoutRows(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(/Failing row contains \(.*\)/g, 'Failing row is not shown');
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutRows);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withoutRows(inner)]));
}
