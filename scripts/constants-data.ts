/**
 * Prints the migration that fills the constants database with the currencies of ISO 4217 and the countries of ISO 3166-1. The data
 * comes from two development dependencies. The migration contains the rows themselves, so a server needs neither package, and a
 * later release of either cannot change a migration that has run.
 *
 *   node scripts/constants-data.ts > migrations/constants/20261121000000_currencies_and_countries.ts
 *
 * From ISO 4217 it takes List One: currencies and funds (CLF, USN, …), with the names of the list. Codes whose minor units are
 * "N.A." are left out, because their amounts cannot be stored as whole numbers of minor units: precious metals, bond-market units,
 * XDR, XSU, XUA, XTS (testing) and XXX (no currency). `currency-codes` turns "N.A." into 0, which is also the value of yen and won,
 * so the script reads the standard's own XML, which the package contains.
 *
 * From ISO 3166-1 it takes the 249 assigned alpha-2 codes and their English short names, without the article ("Bahamas") and with
 * qualifiers after a comma ("Iran, Islamic Republic of").
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import currencyCodes from 'currency-codes';
import isoCountries from 'i18n-iso-countries';

/** The codes that amendments removed from List One after the edition of `currency-codes` (2024-06-25). */
const WITHDRAWN_CURRENCIES = new Set([
  'ANG', // 176: replaced by XCG on 2025-03-31
  'CUC', // 178
  'BGN', // 180: Bulgaria has used the euro since 2026-01-01
]);

/** The codes that amendments added to List One after that edition. */
const ADDED_CURRENCIES: readonly Currency[] = [
  ['XCG', 'Caribbean Guilder', 2], // 176
  ['XAD', 'Arab Accounting Dinar', 2], // 179
];

/** Codes of the package that ISO 3166-1 does not assign: XK is user-assigned. */
const UNASSIGNED_COUNTRIES = new Set(['XK']);

/** The short names of ISO 3166-1 for which the package has another spelling, an older name or a full name. */
const COUNTRY_NAMES: ReadonlyMap<string, string> = new Map([
  ['BO', 'Bolivia, Plurinational State of'],
  ['CD', 'Congo, Democratic Republic of the'],
  ['CG', 'Congo'],
  ['CI', "Côte d'Ivoire"],
  ['CN', 'China'],
  ['CV', 'Cabo Verde'],
  ['CZ', 'Czechia'],
  ['GB', 'United Kingdom of Great Britain and Northern Ireland'],
  ['GM', 'Gambia'],
  ['IR', 'Iran, Islamic Republic of'],
  ['KP', "Korea, Democratic People's Republic of"],
  ['KR', 'Korea, Republic of'],
  ['MK', 'North Macedonia'],
  ['NL', 'Netherlands, Kingdom of the'],
  ['PS', 'Palestine, State of'],
  ['RE', 'Réunion'],
  ['SH', 'Saint Helena, Ascension and Tristan da Cunha'],
  ['TZ', 'Tanzania, United Republic of'],
  ['VA', 'Holy See'],
  ['VE', 'Venezuela, Bolivarian Republic of'],
  ['VG', 'Virgin Islands (British)'],
  ['VI', 'Virgin Islands (U.S.)'],
  ['VN', 'Viet Nam'],
]);

type Currency = readonly [code: string, name: string, digits: number];
type Country = readonly [code: string, name: string];

function byCode(a: readonly [string, ...unknown[]], b: readonly [string, ...unknown[]]): number {
  return a[0] < b[0] ? -1 : 1;
}

/** The codes of List One whose minor units are "N.A.". */
function currenciesWithoutDigits(): Set<string> {
  const xml = readFileSync(fileURLToPath(import.meta.resolve('currency-codes/iso-4217-list-one.xml')), 'utf8');
  const entries = xml.matchAll(/<Ccy>(\w+)<\/Ccy>\s*<CcyNbr>\d+<\/CcyNbr>\s*<CcyMnrUnts>N\.A\.<\/CcyMnrUnts>/g);
  const codes = new Set(Array.from(entries, (entry) => entry[1] ?? ''));
  if (!codes.has('XXX') || !codes.has('XAU')) throw new Error('The ISO 4217 list has an unexpected format');
  return codes;
}

function currencies(): Currency[] {
  const withoutDigits = currenciesWithoutDigits();
  const listed = currencyCodes.data
    .filter(({ code }) => !withoutDigits.has(code) && !WITHDRAWN_CURRENCIES.has(code))
    .map(({ code, currency, digits }): Currency => [code, currency.trim(), digits]);
  const known = new Set(listed.map(([code]) => code));
  const rows = [...listed, ...ADDED_CURRENCIES.filter(([code]) => !known.has(code))];
  return rows.sort(byCode);
}

function countries(): Country[] {
  const names = Object.entries(isoCountries.getNames('en', { select: 'official' }));
  return names
    .filter(([code]) => !UNASSIGNED_COUNTRIES.has(code))
    .map(([code, name]): Country => [code, COUNTRY_NAMES.get(code) ?? name])
    .sort(byCode);
}

/** Formats a TypeScript string literal like the formatter. */
function literal(text: string): string {
  return text.includes("'") ? JSON.stringify(text) : `'${text}'`;
}

function tuples(rows: readonly (Currency | Country)[]): string {
  return rows
    .map((row) => `  [${row.map((value) => (typeof value === 'string' ? literal(value) : value)).join(', ')}],`)
    .join('\n');
}

process.stdout.write(`import { Migration } from '@mikro-orm/migrations';
import pg from 'pg';

/** The currencies of ISO 4217 and the countries of ISO 3166-1. Written by \`scripts/constants-data.ts\`. */
export default class CurrenciesAndCountries extends Migration {
  override up(): void {
    this.addSql(\`
      create table currencies (
        code text primary key check (code ~ '^[A-Z]{3}$'),
        name text not null,
        digits smallint not null check (digits >= 0 and digits <= 4)
      )
    \`);
    this.addSql(\`
      create table countries (
        code text primary key check (code ~ '^[A-Z]{2}$'),
        name text not null
      )
    \`);
    this.addSql(\`insert into currencies (code, name, digits) values \${values(CURRENCIES)}\`);
    this.addSql(\`insert into countries (code, name) values \${values(COUNTRIES)}\`);
  }

  override down(): void {
    this.addSql('drop table countries');
    this.addSql('drop table currencies');
  }
}

/** The rows as the VALUES of an INSERT. */
function values(rows: readonly (readonly (string | number)[])[]): string {
  return rows
    .map((row) => row.map((value) => (typeof value === 'string' ? pg.escapeLiteral(value) : value)).join(', '))
    .map((row) => \`(\${row})\`)
    .join(', ');
}

/** Code, name and number of minor-unit digits. */
const CURRENCIES: readonly (readonly [code: string, name: string, digits: number])[] = [
${tuples(currencies())}
];

/** Code and English short name. */
const COUNTRIES: readonly (readonly [code: string, name: string])[] = [
${tuples(countries())}
];
`);
