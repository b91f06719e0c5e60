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
  const { extensions, dependents, createSql } = await server.owner(shared, (client) => look(client, readers));
  const where = `in the database ${shared} on the server ${server.name}`;
  return [
    ...extensions.map((extension): Leftover => {
      const { name, schema, canMove } = extension;
      const message = `The extension ${name} ${where} is in the schema ${schema}${owner(schema)}, although all tenants there may use it`;
      if (!canMove)
        return {
          message,
          remedy: `PostgreSQL cannot move it, so do not delete that tenant before the others no longer use ${name}`,
        };
      const sql = `${createSql} ${moveExtensionsSql([extension])}`;
      return {
        message,
        remedy: `${howToFix}: it moves the extension to the schema common`,
        fix: { server: server.name, databases: [shared], sql },
      };
    }),
    ...dependents.map(({ schema, object }) => ({
      message: `The ${object} ${where} depends on the schema ${schema}${owner(schema)}, which cannot be deleted before`,
      remedy: 'Drop it, or let it use an object of the schema common instead',
    })),
  ];
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
