import { defineEntity, p } from '@mikro-orm/core';

/** The table `currencies`: the codes of ISO 4217, the same for every tenant. */
export const CurrencySchema = defineEntity({
  name: 'Currency',
  tableName: 'currencies',
  properties: {
    /** The alphabetic code, such as `EUR`. */
    code: p.text().primary().check("code ~ '^[A-Z]{3}$'"),
    name: p.text(),
    /** How many decimal digits the minor unit has: 2 for cents, 0 for a currency without one. */
    digits: p.smallint().check('digits >= 0 and digits <= 4'),
  },
});

/** A currency of ISO 4217. */
export class Currency extends CurrencySchema.class {}

CurrencySchema.setClass(Currency);
