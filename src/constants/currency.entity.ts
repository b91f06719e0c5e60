import { defineEntity, p } from '@mikro-orm/core';

/** The table `currencies`: ISO 4217 currencies, shared by all tenants. */
export const CurrencySchema = defineEntity({
  name: 'Currency',
  tableName: 'currencies',
  properties: {
    /** The alphabetic code, such as `EUR`. */
    code: p.text().primary().check("code ~ '^[A-Z]{3}$'"),
    name: p.text(),
    /** The number of decimal digits of the minor unit: 2 for cents, 0 for a currency without one. */
    digits: p.smallint().check('digits >= 0 and digits <= 4'),
  },
});

/** An ISO 4217 currency. */
export class Currency extends CurrencySchema.class {}

CurrencySchema.setClass(Currency);
