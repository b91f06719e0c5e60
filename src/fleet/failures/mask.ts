/** What identifies a tenant in messages. */
export interface TenantNames {
  readonly slug: string;
  /** The ten characters in the names of its database, schema and role. */
  readonly key: string;
}

/**
 * What double quotes in a message hold. VALUES: data. NAMES: names of tables and columns, which all tenants share; anything else
 * is data. KEEP: nothing of the tenant's, and neither are the numbers.
 */
export type Quotes = 'VALUES' | 'NAMES' | 'KEEP';

/** Replaces what is the tenant's own. */
const MASK = '…';
const MAX_LENGTH = 2_000;

const uuid = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi;
const hash = /\b[0-9a-f]{32,}\b/gi;
const doubleQuoted = /"[^"]*"/g;
/** Not the apostrophe in a word. */
const singleQuoted = /(?<!\w)'[^']*'(?!\w)/g;
const curlyQuoted = /[“„][^“”„]*[“”]/g;
/** A number by itself, but not the length of a type, such as varchar(20). */
const number = /(?<=^|[\s#=]|(?<!\w)\()-?\d+(?:[.,]\d+)*(?=$|[\s;:)%]|[.,](?:\s|$))/g;
/** A string, even one without an end, because the statement has been cut. Names and comments are matched for their quotes. */
const sqlToken = /--[^\n]*|"[^"]*(?:"|$)|(?<!\w)[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)/g;
const name = /^"[\p{L}_…][\p{L}\d_$.…]*"$/u;

/** Returns a message without the tenant's own words, so that equal failures of different tenants have equal texts. */
export function maskWords(message: string, tenant: TenantNames, quotes: Quotes): string {
  const text = maskNames(message.slice(0, MAX_LENGTH), tenant);
  if (quotes === 'KEEP') return text;
  return text
    .replace(doubleQuoted, (quoted) => (quotes === 'NAMES' && name.test(quoted) ? quoted : `"${MASK}"`))
    .replace(singleQuoted, `'${MASK}'`)
    .replace(curlyQuoted, `“${MASK}”`)
    .replace(number, MASK);
}

/** Returns a statement without the tenant's names and without values. */
export function maskStatement(statement: string, tenant: TenantNames): string {
  const text = statement.slice(0, MAX_LENGTH).replace(sqlToken, withoutValue).replace(number, MASK);
  return maskNames(text, tenant);
}

function withoutValue(token: string): string {
  if (token.startsWith('"')) return token;
  return token.startsWith('--') ? '' : `'${MASK}'`;
}

function maskNames(text: string, { slug, key }: TenantNames): string {
  let masked = text.replace(uuid, MASK).replace(hash, MASK);
  for (const word of [`db_${key}`, `tenant_${key}`, key]) masked = replaceWord(masked, word);
  // A slug may be an ordinary word, such as value, which messages have for another reason.
  return /[\d-]/.test(slug) ? replaceWord(masked, slug) : masked.replaceAll(`tenant ${slug}`, `tenant ${MASK}`);
}

/** Replaces a word where it is not part of a longer one. */
function replaceWord(text: string, word: string): string {
  const parts = text.split(word);
  return parts
    .map((part, index) => {
      const next = parts[index + 1];
      if (next === undefined) return part;
      return part + (isInWord(part.at(-1)) || isInWord(next[0]) ? word : MASK);
    })
    .join('');
}

function isInWord(character: string | undefined): boolean {
  return character !== undefined && /[\w-]/.test(character);
}
