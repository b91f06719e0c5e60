import type pg from 'pg';
import type { PostgresServer } from '../postgres/server.ts';
import { inTransaction } from '../postgres/sql/transaction.ts';
import { installationRoles } from '../routing/placement.ts';
import { createCommonSql } from '../servers/shared/common-line.ts';
import {
  findDependents,
  findMisplacedExtensions,
  type MisplacedExtension,
  moveExtensionsSql,
  superuserMovesSql,
} from '../servers/shared/schema-dependents.ts';
import { howToFix, type Leftover } from './leftover.ts';

interface Options {
  readonly databases: { readonly auth: string; readonly shared: string };
}

/** Finds what the tenants of a shared database have of each other: dropping one's schema would drop it for all. */
export async function findTangledSchemas(
  server: PostgresServer,
  tenants: readonly { readonly slug: string; readonly schema: string; readonly isolation: string }[],
  { databases }: Options,
): Promise<Leftover[]> {
  const { shared } = databases;
  if (!tenants.some(({ isolation }) => isolation === 'SCHEMA')) return [];
  const slugs = new Map(tenants.map(({ schema, slug }) => [schema, slug]));
  const owner = (schema: string) => (slugs.has(schema) ? ` of the tenant ${slugs.get(schema)}` : '');
  const readers = installationRoles(databases.auth).schemaTenants;
  // A database that cannot be looked into is reported elsewhere.
  const found = await server.owner(shared, (client) => look(client, readers)).catch(() => undefined);
  if (!found) return [];
  const where = `in the database ${shared} on the server ${server.name}`;
  const namesOf = (extensions: readonly MisplacedExtension[]) =>
    extensions.map(({ name, schema }) => `${name} in the schema ${schema}${owner(schema)}`).join(', ');
  const movable = found.extensions.filter(({ canMove, mayMove }) => canMove && mayMove);
  const foreign = found.extensions.filter(({ canMove, mayMove }) => canMove && !mayMove);
  const fixed = found.extensions.filter(({ canMove }) => !canMove);
  const problems: Leftover[] = found.dependents.map(({ schema, object }) => ({
    message: `The ${object} ${where} depends on the schema ${schema}${owner(schema)}, which cannot be deleted before`,
    remedy: 'Drop it, or let it use an object of the schema common instead',
  }));
  if (movable.length > 0) {
    problems.push({
      message: `Extensions that all tenants may use are in schemas of single tenants ${where}: ${namesOf(movable)}`,
      remedy: `${howToFix}: it moves them to the schema common`,
      // All at once, because the first one creates the schema.
      fix: { server: server.name, databases: [shared], sql: `${found.createSql} ${moveExtensionsSql(movable)}` },
    });
  }
  if (foreign.length > 0) {
    problems.push({
      message: `Extensions that all tenants may use are in schemas of single tenants ${where}, and only a superuser may move them: ${namesOf(foreign)}`,
      remedy: `A superuser can run there: ${superuserMovesSql(foreign)}`,
    });
  }
  if (fixed.length > 0) {
    problems.push({
      message: `Extensions that PostgreSQL cannot move are in schemas of single tenants ${where}: ${namesOf(fixed)}`,
      remedy: 'Do not delete these tenants while others use the extensions',
    });
  }
  return problems;
}

function look(client: pg.Client, readers: string) {
  return inTransaction(client, async () => {
    const extensions: readonly MisplacedExtension[] = await findMisplacedExtensions(client);
    const own = new Set(extensions.map(({ schema }) => schema));
    const dependents = await findDependents(client);
    return {
      extensions,
      // What uses an extension is no problem once the extension is moved.
      dependents: dependents.filter(({ schema, isOfExtension }) => !(isOfExtension && own.has(schema))),
      createSql: await createCommonSql(client, readers),
    };
  });
}
