import { randomUUID } from 'node:crypto';
import { type GraphQLNamedType, type GraphQLSchema, getNamedType, isInputObjectType, isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { join, type Person } from './accounts.ts';
import { startTestApp, type TestApp } from './start-app.ts';

/** An argument that takes an id, in an operation of somebody who owns a tenant, and asks about another one. */
export interface IdCase {
  /** `$id` stands for the id, and `$own` or `$own_service` for what `prepare` gives under the name after the `$`. */
  readonly text: string;
  /** Whose id it takes: a key of what `prepare` gives, or `tenant`, `slug` or `user`. */
  readonly of: readonly string[];
  /** The code of the refusal; undefined: there is none, and nothing is found or done. */
  readonly code: string | undefined;
}

/** All arguments of the type ID, such as `Mutation.addMember(input.tenant)`. */
export function idArguments(schema: GraphQLSchema): string[] {
  return Object.values(schema.getTypeMap()).flatMap((type) =>
    isObjectType(type) && !type.name.startsWith('__')
      ? Object.values(type.getFields()).flatMap((field) =>
          field.args
            // A position in a list and a filter name nothing: they are only compared with what the list has.
            .filter((arg) => arg.name !== 'after' && arg.name !== 'filter')
            .flatMap((arg) => idPaths(arg.name, getNamedType(arg.type)))
            .map((path) => `${type.name}.${field.name}(${path})`),
        )
      : [],
  );
}

function idPaths(path: string, type: GraphQLNamedType): string[] {
  if (type.name === 'ID') return [path];
  if (!isInputObjectType(type)) return [];
  return Object.values(type.getFields()).flatMap((field) => idPaths(`${path}.${field.name}`, getNamedType(field.type)));
}

/** Prepares the other tenant, as its owner; gives ids of what is in it, and under names that begin with `own` those of what is in the caller's. */
export type Prepare = (app: TestApp, other: Person, caller: Person) => Promise<Readonly<Record<string, string>>>;

/**
 * Tests that the owner of one tenant gets, for each id of another tenant, the very answer that an id which nobody has gets,
 * and that nothing of the other tenant changes.
 */
export function testForeignIds(cases: Readonly<Record<string, IdCase>>, prepare: Prepare = async () => ({})): void {
  describe('an id of another tenant', () => {
    let app: TestApp;
    let owner: Person;
    let ids: Readonly<Record<string, string>>;
    beforeAll(async () => {
      app = await startTestApp({ DEFAULT_ISOLATION: 'schema' });
      for (const slug of ['mine', 'theirs']) {
        await app.ask(`mutation { createTenant(input: { slug: "${slug}", name: "x" }) { id } }`, app.admin);
      }
      owner = await join(app, 'owner@mine.example.com', 'mine', 'OWNER');
      const other = await join(app, 'owner@theirs.example.com', 'theirs', 'OWNER');
      const tenant = await app.services.directory.byReference('theirs');
      // Otherwise a change would go unnoticed.
      expect(JSON.stringify(await everythingOf(app))).toMatch(/theirs.*20261121000000_/s);
      ids = { tenant: tenant?.id ?? '', slug: 'theirs', user: other.id, ...(await prepare(app, other, owner)) };
    });
    afterAll(() => app[Symbol.asyncDispose]());

    it.each(Object.entries(cases))('is as good as one that nobody has: %s', async (_name, { text, of, code }) => {
      const ask = async (id: string) => {
        const { data, errors } = await app.ask(
          text.replaceAll('$id', id).replace(/\$(own\w*)/g, (_match, name: string) => ids[name] ?? ''),
          owner.headers,
        );
        // Each refusal by the database has the id of its own request.
        const comparable = JSON.stringify({ data, errors }).replace(/"requestId":"[^"]+"/g, '"requestId":"…"');
        return JSON.parse(comparable.replaceAll(id, 'the id'));
      };
      const before = await everythingOf(app);
      for (const kind of of) {
        const id = ids[kind] ?? expect.unreachable(`no ${kind} was prepared`);
        const answer = await ask(id);
        expect(answer, kind).toEqual(await ask(kind === 'slug' ? 'nowhere' : randomUUID()));
        expect(answer.errors?.[0]?.extensions.code, kind).toBe(code);
      }
      expect(await everythingOf(app)).toEqual(before);
    });
  });
}

/** What the catalog and the other tenant hold, without what a sign-in or a refusal leaves behind. */
async function everythingOf({ services }: TestApp): Promise<unknown> {
  const tenant = (await services.directory.byReference('theirs')) ?? expect.unreachable('the tenant is not there');
  const server = services.servers.get(tenant.server) ?? expect.unreachable('there is no server');
  const read = (database: string, schema: string) =>
    server.owner(database, async (client) => {
      const { rows } = await client.query<{ name: string; content: string }>(
        `SELECT relname AS name, query_to_xml(format('SELECT * FROM %I.%I t ORDER BY t::text', nspname, relname), true, false, '')::text AS content
         FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
         WHERE nspname = $1 AND relkind = 'r' AND relname <> ALL ($2::text[]) ORDER BY relname`,
        [
          schema,
          [
            'audit_log',
            'login_attempts',
            'sessions',
            'refresh_tokens',
            'tenant_loads',
            'tenant_usages',
            'tenant_transfers',
            'tenant_transfer_events',
          ],
        ],
      );
      return rows;
    });
  return [await read(services.config.databases.auth, 'public'), await read(tenant.database, tenant.schema)];
}
