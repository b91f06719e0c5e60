import { z } from 'zod';

/** One setting: how its text is read, what it is when it is not set, and what it means. */
export interface Setting {
  readonly schema: z.ZodType<unknown, string>;
  /** The text that stands in when the variable is not set; undefined where the absence itself means something. */
  readonly default?: string;
  /** What the absence means, where there is no default. */
  readonly absent?: string;
  readonly meaning: string;
}

/** Yes or no, in any of the usual words. */
export const flag = z
  .enum(['true', 'false', '1', '0', 'on', 'off', 'yes', 'no'], { error: 'must be true or false' })
  .transform((text) => ['true', '1', 'on', 'yes'].includes(text));

/** A whole number within limits. */
export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, { error: `must be a whole number from ${min} to ${max}` })
    .transform(Number)
    .refine((value) => value >= min && value <= max, { error: `must be a whole number from ${min} to ${max}` });

/** A URL with one of these protocols. */
export const url = (...protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    error: `must be a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });

/** The name of a database. */
export const databaseName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,39}$/, { error: 'must be 1 to 40 characters of [a-z0-9_] and start with a letter' });

/** A secret that cannot be guessed. */
export const secret = z.string().refine((text) => Buffer.byteLength(text) >= 32, {
  error: 'must be at least 32 bytes; try: openssl rand -base64 48',
});

/** Origins, separated by commas. */
export const origins = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
  )
  .refine((list) => list.every((text) => URL.canParse(text) && new URL(text).origin === text), {
    error: 'must be origins such as https://app.example.com, without a path, separated by commas',
  });

/** The path of a claim. */
export const claimPath = z
  .string()
  .regex(/^[^.]+(\.[^.]+)*$/, { error: 'must be a path such as tenant or app_metadata.tenant' });

const keySetUrl = url('http:', 'https:');

const providerSchema = z.strictObject({
  issuer: z.string().min(1),
  url: keySetUrl,
  audience: z.string().min(1).optional(),
  userClaim: claimPath.optional(),
  emailClaim: claimPath.optional(),
  emailVerifiedClaim: claimPath.optional(),
  tenantClaim: claimPath.optional(),
  rolesClaim: claimPath.optional(),
  linkByEmail: z.boolean().optional(),
});

type ProviderEntry = z.output<typeof providerSchema>;

/** The address of one identity provider's keys, or a list of providers in JSON. */
export const identityProviders = z.string().transform((text, context): string | ProviderEntry[] => {
  const isList = text.trimStart().startsWith('[');
  const result = isList ? z.array(providerSchema).min(1).safeParse(parseJson(text)) : keySetUrl.safeParse(text);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const [index, field] = issue?.path ?? [];
  const place =
    typeof index === 'number' ? `its entry ${index + 1}${field === undefined ? '' : `, ${String(field)}`}: ` : '';
  const message = isList ? `must be a list of identity providers: ${place}${issue?.message}` : (issue?.message ?? '');
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
