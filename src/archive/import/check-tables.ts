import type pg from 'pg';
import type { StoredTable } from '../../copying/tables.ts';
import { shortList } from '../../lib/short-list.ts';
import type { Manifest, ManifestTable } from '../format/manifest.ts';
import { quoted, refused } from '../format/problem.ts';
import { readColumns, readOwnSequences, readOwnTables } from '../tables.ts';

/** How many differences a message names. */
const SHOWN = 5;

/**
 * Checks that an archive has exactly the tables, columns and sequences that its migrations have made. Only names that the
 * database has reach SQL afterwards.
 * @returns the tables of the place
 * @throws {AppError} BAD_USER_INPUT with the differences
 */
export async function checkTables(
  client: pg.Client,
  schema: string,
  { tables, sequences }: Manifest,
): Promise<readonly StoredTable[]> {
  const made = await readOwnTables(client, schema);
  const madeSequences = await readOwnSequences(client, schema);
  const columnsOf = await readColumns(client, schema, namesOf(made));
  const problems = [
    ...differences('table', namesOf(made), namesOf(tables)),
    ...differences('sequence', namesOf(madeSequences), namesOf(sequences)),
    ...tables.flatMap((table) => differentColumns(table, columnsOf.get(table.name) ?? [])),
  ];
  if (problems.length === 0) return made;
  throw refused(`differs from what its migrations make here: ${shortList(problems, SHOWN)}`);
}

function differences(what: string, made: readonly string[], archived: readonly string[]): readonly string[] {
  const [here, there] = [new Set(made), new Set(archived)];
  return [
    ...archived.filter((name) => !here.has(name)).map((name) => `the ${what} ${quoted(name)} is only in the archive`),
    ...made.filter((name) => !there.has(name)).map((name) => `the ${what} ${quoted(name)} is missing in the archive`),
  ];
}

function differentColumns({ name, columns }: ManifestTable, made: ManifestTable['columns']): readonly string[] {
  const types = new Map(made.map((column) => [column.name, column.type]));
  return [
    ...differences(`column of ${quoted(name)}`, namesOf(made), namesOf(columns)),
    ...columns.flatMap((column) => {
      const type = types.get(column.name);
      if (type === undefined || type === column.type) return [];
      return [
        `the column ${quoted(column.name)} of ${quoted(name)} is ${quoted(column.type)} instead of ${quoted(type)}`,
      ];
    }),
  ];
}

function namesOf(all: readonly { readonly name: string }[]): readonly string[] {
  return all.map(({ name }) => name);
}
