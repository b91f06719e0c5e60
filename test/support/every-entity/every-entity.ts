import { columns } from './columns.ts';
import type { EntityGroups } from './entity.ts';
import { relations } from './relations.ts';
import { tables } from './tables.ts';

/** Everything that MikroORM can have a table of, as groups of entities. */
export const everyEntity: EntityGroups = { ...columns, ...tables, ...relations };
