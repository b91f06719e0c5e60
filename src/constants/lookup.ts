import type { EntityManager } from '@mikro-orm/postgresql';
import { Currency } from './currency.entity.ts';

/** The data that all tenants share, as resolvers look it up. */
export interface SharedConstants {
  /** The currency of ISO 4217 with this code, such as `EUR`. */
  currency(code: string): Promise<Currency | undefined>;
}

/** Looks constants up in their database. */
export function sharedConstants(database: { fork(): EntityManager }): SharedConstants {
  return {
    currency: async (code) => (await database.fork().findOne(Currency, { code })) ?? undefined,
  };
}
