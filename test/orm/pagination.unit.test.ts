import { defineEntity, p } from '@mikro-orm/core';
import { expect, it } from 'vitest';
import { discoverEntities } from '../../src/orm/databases.ts';
import { entityConnection } from '../../src/orm/pagination.ts';

const RowSchema = defineEntity({
  name: 'Row',
  properties: {
    id: p.integer().primary(),
    note: p.text().nullable(),
    seenAt: p.datetime(6),
    changedAt: p.datetime(),
  },
});
class Row extends RowSchema.class {}
RowSchema.setClass(Row);

const { em } = discoverEntities([RowSchema]);

it.each([
  ['note', 'which can be NULL'],
  ['seenAt', 'which has microseconds'],
  ['changedAt', 'which has microseconds'],
] as const)('refuses an order that its cursors cannot continue: by %s, %s', async (key, reason) => {
  const page = entityConnection(em.fork(), Row, {}, { orderBy: { [key]: 'asc', id: 'asc' } });
  await expect(page).rejects.toThrow(`A page of Row cannot be ordered by ${key}, ${reason}`);
});
