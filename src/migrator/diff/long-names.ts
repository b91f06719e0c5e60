import type { EntityMetadata } from '@mikro-orm/core';
import type { DatabaseSchema } from '@mikro-orm/sql';

/**
 * The longest name in PostgreSQL, in bytes. It cuts a longer one without an error.
 * @see https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
 */
export const MAX_NAME_BYTES = 63;

/** A name of an object of the database. */
export interface ObjectName {
  /** Its kind and owner, such as `The index of products`. */
  readonly what: string;
  readonly name: string;
}

/** A name that PostgreSQL would cut. */
export interface TooLongName extends ObjectName {
  /** What would be left of it. */
  readonly cut: string;
  /** Another name that would be the same then. */
  readonly sameAs: string | undefined;
}

/** Finds the names that PostgreSQL would cut, and those that it would take for the same. */
export function tooLongNames(names: readonly ObjectName[]): readonly TooLongName[] {
  const distinct = new Map(names.map((each) => [`${each.what} ${each.name}`, each]));
  return [...distinct.values()]
    .filter(({ name }) => Buffer.byteLength(name) > MAX_NAME_BYTES)
    .map((long) => {
      const cut = cutName(long.name);
      const same = names.find(({ name }) => name !== long.name && cutName(name) === cut);
      return { ...long, cut, sameAs: same?.name };
    });
}

/** Tells an author what to do. */
export function describeTooLongName({ what, name, cut, sameAs }: TooLongName): string {
  const same = sameAs === undefined ? '' : ` The name ${sameAs} would be cut to the same.`;
  return `${what} has a name of ${Buffer.byteLength(name)} bytes: ${name}. PostgreSQL would cut it to ${MAX_NAME_BYTES}: ${cut}.${same} Give it a shorter name.`;
}

/** A name as PostgreSQL stores it: no character is cut in two. */
function cutName(name: string): string {
  const bytes = Buffer.from(name);
  if (bytes.length <= MAX_NAME_BYTES) return name;
  let end = MAX_NAME_BYTES;
  // The bytes of a character after its first one start with 10.
  while (((bytes[end] ?? 0) & 0b1100_0000) === 0b1000_0000) end -= 1;
  return bytes.subarray(0, end).toString();
}

/**
 * The names that entities give to objects.
 * @param tables the entities' tables
 * @param entities what MikroORM knows of them; it cuts some names in the tables by itself
 */
export function namesOf(tables: DatabaseSchema, entities: readonly EntityMetadata[]): readonly ObjectName[] {
  const names: readonly { readonly what: string; readonly name: string | undefined }[] = [
    ...Object.values(tables.getNativeEnums()).map(({ name }) => ({ what: 'The enum type', name })),
    ...tables
      .getViews()
      .flatMap(({ name, indexes = [] }) => [
        { what: 'The view', name },
        ...indexes.map(({ keyName }) => ({ what: `An index of ${name}`, name: keyName })),
      ]),
    ...tables
      .getTables()
      .flatMap((table) => [
        { what: 'The table', name: table.name },
        ...table.getColumns().map(({ name }) => ({ what: `A column of ${table.name}`, name })),
        ...table.getIndexes().map(({ keyName }) => ({ what: `An index of ${table.name}`, name: keyName })),
        ...Object.keys(table.getForeignKeys()).map((name) => ({ what: `A foreign key of ${table.name}`, name })),
      ]),
    ...entities.flatMap(({ tableName, checks, triggers, policies }) => [
      ...checks.map(({ name }) => ({ what: `A check of ${tableName}`, name })),
      ...triggers.map(({ name }) => ({ what: `A trigger of ${tableName}`, name })),
      ...policies.map(({ name }) => ({ what: `A policy of ${tableName}`, name })),
    ]),
  ];
  return names.flatMap(({ what, name }) => (name === undefined ? [] : [{ what, name }]));
}
