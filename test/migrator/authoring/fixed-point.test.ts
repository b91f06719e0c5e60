import type { EntitySchema } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AuthoringServer } from '../../support/authoring.ts';
import { everyEntity } from '../../support/every-entity/every-entity.ts';

let server: AuthoringServer;

beforeAll(async () => {
  server = await AuthoringServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

type Group = readonly [title: string, entities: () => readonly EntitySchema[]];

const namesOf = ([, entities]: Group) => entities().map(({ meta }) => meta.className);

/** Groups of entities that one product has, as long as no two of its tables have the same name: a product costs seconds. */
function products(): readonly Group[] {
  const made: Group[][] = [];
  for (const group of Object.entries(everyEntity)) {
    const names = namesOf(group);
    const product = made.find((groups) => !groups.flatMap(namesOf).some((name) => names.includes(name)));
    if (product) product.push(group);
    else made.push([group]);
  }
  return made.map((groups) => [
    groups.map(([title]) => title).join('; '),
    () => groups.flatMap(([, entities]) => entities()),
  ]);
}

it.each(products())(
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
  120_000,
);
