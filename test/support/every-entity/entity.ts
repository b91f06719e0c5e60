import { defineEntity, p } from '@mikro-orm/core';
import type { EntitySchema } from '@mikro-orm/postgresql';

type Definition = Parameters<typeof defineEntity>[0];

/** An entity of a tenant. */
export function entity(definition: Definition | Record<string, unknown>): EntitySchema {
  // The types that defineEntity() finds for the properties are of no use here.
  return defineEntity({ schema: '*', ...definition } as Definition) as unknown as EntitySchema;
}

/** A primary key that is given. */
export const id = () => p.integer().primary();

/** Groups of entities, by what they have. */
export type EntityGroups = Readonly<Record<string, () => readonly EntitySchema[]>>;
