import { defineEntity, p } from '@mikro-orm/core';

/** The table `countries`: the codes of ISO 3166-1, the same for every tenant. */
export const CountrySchema = defineEntity({
  name: 'Country',
  tableName: 'countries',
  properties: {
    /** The alpha-2 code, such as `PT`. */
    code: p.text().primary().check("code ~ '^[A-Z]{2}$'"),
    /** The English short name. */
    name: p.text(),
  },
});

/** A country of ISO 3166-1. */
export class Country extends CountrySchema.class {}

CountrySchema.setClass(Country);
