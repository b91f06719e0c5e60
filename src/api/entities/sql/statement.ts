import { createHash } from 'node:crypto';
import { TENANT_SCHEMA } from '../entity-model.ts';
import type { ListArgs } from '../list-args.ts';

/** What the parameters of a statement are taken from: the arguments of each list, and the key of a single row. */
export interface StatementInput {
  readonly lists: readonly ListArgs[];
  /** The size of a result that is not sent, in bytes. */
  readonly maxBytes: number;
  readonly key?: readonly unknown[];
}

/** The maximum length of a prepared text, in characters: PostgreSQL keeps a plan of each on every connection. */
const MAX_PREPARED = 16_384;

type Read = (input: StatementInput) => unknown;

/** An SQL statement that reads one field with all its selection, for any tenant and any values. */
export interface CompiledStatement {
  /** Identifies the text; undefined for a text that is too long to be prepared. */
  readonly name: string | undefined;
  /** The length of the text. */
  readonly length: number;
  /** The permissions that its filters and orders need. */
  readonly permissions: ReadonlySet<string>;
  /** Returns the text for a tenant's schema, which must be quoted. */
  text(schema: string): string;
  /** Returns the parameters. */
  values(input: StatementInput): unknown[];
}

/** Collects the parameters of a statement while its text is written. */
export class StatementWriter {
  readonly permissions = new Set<string>();
  readonly #reads: Read[] = [];
  #aliases = 0;

  /** Returns a table alias that is not used yet. */
  alias(): string {
    this.#aliases += 1;
    return `t${this.#aliases}`;
  }

  /** Adds a parameter and returns its placeholder. */
  bind(read: Read): string {
    this.#reads.push(read);
    return `$${this.#reads.length}`;
  }

  /** Completes the statement, whose one value is an SQL expression of JSON. It is empty if the JSON is too large. */
  finish(json: string): CompiledStatement {
    const limit = this.bind(({ maxBytes }) => maxBytes);
    const reads = this.#reads;
    // OFFSET keeps PostgreSQL from computing the JSON twice.
    const template = `SELECT CASE WHEN octet_length(text) > ${limit} THEN '' ELSE text END AS text FROM (SELECT (${json})::text AS text OFFSET 0) answer`;
    // PostgreSQL does not take the schema as a parameter. Only its quoted name differs between tenants.
    const parts = template.split(TENANT_SCHEMA);
    return {
      name: template.length > MAX_PREPARED ? undefined : createHash('sha256').update(template).digest('base64url'),
      length: template.length,
      permissions: this.permissions,
      text: (schema) => parts.join(schema),
      values: (input) => reads.map((read) => read(input)),
    };
  }
}
