import { Country } from '../../constants/country.entity.ts';
import { Currency } from '../../constants/currency.entity.ts';
import { builder } from '../builder.ts';

const CurrencyRef = builder.objectType(Currency, {
  name: 'Currency',
  description: 'A currency of ISO 4217.',
  fields: (t) => ({
    code: t.exposeString('code'),
    name: t.exposeString('name'),
    digits: t.exposeInt('digits', { description: 'Decimal digits of the minor unit: 2 for cents.' }),
  }),
});

const CountryRef = builder.objectType(Country, {
  name: 'Country',
  description: 'A country of ISO 3166-1, with its code of two letters.',
  fields: (t) => ({ code: t.exposeString('code'), name: t.exposeString('name') }),
});

/**
 * ISO 4217 and ISO 3166-1 have fewer entries, and both lists are returned whole. One more row is read, so that a longer
 * list is an error.
 */
const MAX_ITEMS = 300;

builder.queryFields((t) => ({
  currencies: t.field({
    type: [CurrencyRef],
    maxItems: MAX_ITEMS,
    authScopes: { anyone: true },
    resolve: (_root, _args, { services }) =>
      services.constants.fork().find(Currency, {}, { orderBy: { code: 'asc' }, limit: MAX_ITEMS + 1 }),
  }),
  countries: t.field({
    type: [CountryRef],
    maxItems: MAX_ITEMS,
    authScopes: { anyone: true },
    resolve: (_root, _args, { services }) =>
      services.constants.fork().find(Country, {}, { orderBy: { code: 'asc' }, limit: MAX_ITEMS + 1 }),
  }),
}));
