import { availableParallelism } from 'node:os';
import { z } from 'zod';

/** One setting: its format, its default and its meaning. */
export interface Setting {
  readonly schema: z.ZodType<unknown, string>;
  /** The text that is used when the variable is not set. Undefined if an unset variable has a meaning of its own. */
  readonly default?: string;
  /** What an unset variable means, if there is no default. */
  readonly absent?: string;
  readonly meaning: string;
}

/** A boolean, in any of the common spellings. */
export const flag = z
  .enum(['true', 'false', '1', '0', 'on', 'off', 'yes', 'no'], { error: 'must be true or false' })
  .transform((text) => ['true', '1', 'on', 'yes'].includes(text));

/**
 * An integer within a range.
 * @param also what is accepted besides, for the message
 */
export const integer = (min: number, max: number, also = '') => {
  const error = `must be a whole number from ${min} to ${max}${also}`;
  return z
    .string()
    .regex(/^\d{1,12}$/, { error })
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error });
};

/** A number of processes, or `max` for one per core. */
export const processes = z.union(
  [z.literal('max').transform(() => availableParallelism()), integer(1, 256, ', or max')],
  { error: 'must be a whole number from 1 to 256, or max' },
);

/** A number of connections, or `auto`. */
export const connectionBudget = z.union([z.literal('auto'), integer(5, 10_000, ', or auto')], {
  error: 'must be a whole number from 5 to 10000, or auto',
});

/** A URL with one of these protocols. */
export const url = (...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });

/** The name of a database. */
export const databaseName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, { error: 'must be 1 to 40 characters of [a-z0-9_] and start with a letter' });

/** A secret that is too long to guess. */
export const secret = z.string().refine((text) => Buffer.byteLength(text) >= 32, {
  error: 'must be at least 32 bytes; generate one with: openssl rand -base64 48',
});

const separatedByCommas = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean),
);

/** Texts, separated by commas. */
export const texts = separatedByCommas.refine((list) => list.length > 0, { error: 'must not be empty' });

/** Content types in lower case, separated by commas. `*` at the end of one stands for any ending. */
export const contentTypes = separatedByCommas
  .transform((list) => list.map((type) => type.toLowerCase()))
  .refine((list) => list.length > 0 && list.every((type) => /^([\w!#$&^.+-]+\/[\w!#$&^.+-]*)?\*?$/.test(type)), {
    error: 'must be content types such as application/pdf or image/*, separated by commas',
  });

/** Origins, separated by commas. */
export const origins = separatedByCommas.refine(
  (list) => list.every((text) => URL.canParse(text) && new URL(text).origin === text),
  {
    error: 'must be origins such as https://app.example.com, without a path, separated by commas',
  },
);

/** The path of a claim. */
export const claimPath = z
  .string()
  .regex(/^[^.]+(\.[^.]+)*$/, { error: 'must be a path such as tenant or app_metadata.tenant' });

const keySetUrl = url('http:', 'https:');

const providerSchema = z.strictObject({
  issuer: z.string().min(1),
  url: keySetUrl,
  audience: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .transform((audience) => [audience].flat())
    .optional(),
  userClaim: claimPath.optional(),
  emailClaim: claimPath.optional(),
  emailVerifiedClaim: claimPath.optional(),
  tenantClaim: claimPath.optional(),
  rolesClaim: claimPath.optional(),
  linkByEmail: z.boolean().optional(),
});

type ProviderEntry = z.output<typeof providerSchema>;

/** The URL of an identity provider's keys, or a JSON list of providers. */
export const identityProviders = z.string().transform((text, context): string | ProviderEntry[] => {
  const isList = text.trimStart().startsWith('[');
  const result = isList ? z.array(providerSchema).min(1).safeParse(parseJson(text)) : keySetUrl.safeParse(text);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const [index, field] = issue?.path ?? [];
  const location =
    typeof index === 'number' ? `its entry ${index + 1}${field === undefined ? '' : `, ${String(field)}`}: ` : '';
  const message = isList
    ? `must be a list of identity providers: ${location}${issue?.message}`
    : (issue?.message ?? '');
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** Undefined if it cannot be parsed. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
