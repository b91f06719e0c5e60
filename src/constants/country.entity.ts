import { defineEntity, p } from '@mikro-orm/core';

/** The table `countries`: ISO 3166-1 countries, shared by all tenants. */
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

/** An ISO 3166-1 country. */
export class Country extends CountrySchema.class {}

CountrySchema.setClass(Country);
