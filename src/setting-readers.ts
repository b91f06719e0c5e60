import { z } from 'zod';

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
