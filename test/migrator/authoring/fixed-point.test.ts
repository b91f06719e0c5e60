import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuthoringServer } from '../../support/authoring.ts';
import { everyEntity } from '../../support/every-entity.ts';

let server: AuthoringServer;

beforeAll(async () => {
  server = await AuthoringServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

it.each(Object.entries(everyEntity))(
  'after migrate new and up there is nothing to do, in both isolations, up, down and up again: %s',
  async (_, entities) => {
    await using product = await server.product();
    const { text, remade } = await product.write(entities(), 'create');
    expect(text).not.toMatch(/public\b|"\*"/);
    expect(remade).toEqual(['is missing']);
    await product.migrate();
    expect(await product.drift(entities())).toEqual([]);
    await expect(product.write(entities())).rejects.toThrow('nothing to write');
    expect(await product.check(entities())).toEqual([]);
    await product.remakeSnapshot(entities());
    await expect(product.write(entities())).rejects.toThrow('nothing to write');
    expect(await product.check(entities())).toEqual([]);
    await product.migrate(1);
    expect(
      await product.query(
        `SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname NOT LIKE 'migration_history%'`,
      ),
    ).toEqual([]);
    await product.migrate();
    expect(await product.drift(entities())).toEqual([]);
  },
  60_000,
);
