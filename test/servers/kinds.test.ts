import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../src/lib/errors.ts';
import { migrateDatabase } from '../../src/migrator/apply/apply.ts';
import { MigrationFolder } from '../../src/migrator/files/migration-folder.ts';
import { startTestApp, type TestApp } from '../support/start-app.ts';

describe('migrations and databases of another kind', () => {
  let app: TestApp;
  const places: Record<string, { readonly database: string; readonly schema: string }> = {
    AUTH: { database: 'auth', schema: 'public' },
    CONSTANTS: { database: 'constants', schema: 'public' },
  };
  const placeOf = (kind: string) => {
    const place = places[kind];
    if (!place) throw new Error(`no place for ${kind}`);
    return place;
  };
  const server = () => {
    const found = app.services.servers.get('default');
    if (!found) throw new Error('no server');
    return found;
  };

  beforeAll(async () => {
    app = await startTestApp();
    for (const isolation of ['DATABASE', 'SCHEMA']) {
      const slug = `a-${isolation.toLowerCase()}`;
      await app.ask(
        `mutation { createTenant(input: { slug: "${slug}", name: "x", isolation: ${isolation} }) { id } }`,
        app.admin,
      );
      const tenant = await app.services.directory.byReference(slug);
      if (tenant) places[isolation] = tenant;
    }
  });
  afterAll(async () => {
    await app[Symbol.asyncDispose]();
  });

  it.each([
    ['TENANT', 'AUTH'],
    ['TENANT', 'CONSTANTS'],
    ['AUTH', 'CONSTANTS'],
    ['CONSTANTS', 'AUTH'],
    ['AUTH', 'DATABASE'],
    ['CONSTANTS', 'SCHEMA'],
  ] as const)('refuses to apply %s migrations to %s', async (scope, kind) => {
    const { database, schema } = placeOf(kind);
    const files =
      await app.services.migrations[scope === 'TENANT' ? 'tenant' : scope === 'AUTH' ? 'auth' : 'constants'].read();
    await server().owner(database, async (client) => {
      const has = async () => {
        const { rows } = await client.query(
          'SELECT relnamespace, relname FROM pg_class WHERE relnamespace >= 16384 OR relnamespace = 2200 ORDER BY oid',
        );
        return rows;
      };
      const before = await has();
      // Without files too: a wrong kind is refused even if there is nothing to apply.
      for (const some of [files, []]) {
        const refused = migrateDatabase(client, { scope, schema, files: some, lockTimeoutMs: 1000 });
        await expect(refused).rejects.toBeInstanceOf(AppError);
        await expect(refused).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining(scope) });
      }
      expect(await has()).toEqual(before);
    });
  });

  it('refuses to apply anything to a database that is not ours', async () => {
    const files = await new MigrationFolder(path.join('migrations', 'tenant'), 'TENANT').read();
    await server().owner('postgres', async (client) => {
      await expect(
        migrateDatabase(client, { scope: 'TENANT', schema: 'public', files, lockTimeoutMs: 1000 }),
      ).rejects.toMatchObject({ code: 'CONFLICT' });
      const { rows } = await client.query(`SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`);
      expect(rows).toEqual([]);
    });
  });

  it.each(['AUTH', 'CONSTANTS', 'DATABASE', 'SCHEMA'] as const)(
    'lets PostgreSQL itself refuse a history of another kind in %s',
    async (kind) => {
      const { database, schema } = placeOf(kind);
      const own = kind === 'AUTH' || kind === 'CONSTANTS' ? kind : 'TENANT';
      await server().owner(database, async (client) => {
        for (const scope of ['AUTH', 'CONSTANTS', 'TENANT']) {
          const inserted = client.query(
            `INSERT INTO "${schema}".migration_history (scope, name, hash, status) VALUES ($1, 'x', 'x', 'REVERTED')`,
            [scope],
          );
          if (scope === own) await expect(inserted).resolves.toMatchObject({ rowCount: 1 });
          else await expect(inserted).rejects.toMatchObject({ constraint: 'migration_history_kind' });
        }
      });
    },
  );
});
