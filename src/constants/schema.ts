import { builder } from '../graphql/builder.ts';
import { Country } from './country.entity.ts';
import { Currency } from './currency.entity.ts';

const CurrencyRef = builder.objectType(Currency, {
  name: 'Currency',
  description: 'A currency of ISO 4217.',
  fields: (t) => ({
    code: t.exposeString('code'),
    name: t.exposeString('name'),
    digits: t.exposeInt('digits', { description: 'Digits of its minor unit: 2 where there are cents.' }),
  }),
});

const CountryRef = builder.objectType(Country, {
  name: 'Country',
  description: 'A country of ISO 3166-1, with its code of two letters.',
  fields: (t) => ({ code: t.exposeString('code'), name: t.exposeString('name') }),
});

/** Both lists have about this many items, and no pages. */
const WHOLE_LIST = { field: 1, multiplier: 200 };

builder.queryFields((t) => ({
  currencies: t.field({
    type: [CurrencyRef],
    complexity: WHOLE_LIST,
    authScopes: { anyone: true },
    resolve: (_root, _args, { services }) => services.constants.fork().find(Currency, {}, { orderBy: { code: 'asc' } }),
  }),
  countries: t.field({
    type: [CountryRef],
    complexity: WHOLE_LIST,
    authScopes: { anyone: true },
    resolve: (_root, _args, { services }) => services.constants.fork().find(Country, {}, { orderBy: { code: 'asc' } }),
  }),
}));
