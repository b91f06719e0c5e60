import { z } from 'zod';
import { badInput } from './errors.ts';

/** The display name of a person or a tenant. */
export const nameSchema = z
  .string()
  .trim()
  .min(1, { error: 'A name is missing' })
  .max(200, { error: 'A name has at most 200 characters' })
  .refine(isPlainLine, {
    error: 'A name must be on one line, without control characters and characters that change the direction of text',
  });

/** Control characters, lone surrogates, line separators and characters that change the text direction. */
const hidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu;

/**
 * Whether a text is a single line without hidden characters: none that controls a terminal, changes the text direction or
 * cannot be stored. Every display name must pass this check.
 */
export function isPlainLine(text: string): boolean {
  return text.search(hidden) < 0;
}

/** Replaces each run of characters that {@link isPlainLine} rejects. */
export function replaceHidden(text: string, replacement: string): string {
  return text.replace(hidden, replacement);
}

/**
 * Validates a value that a client has sent, and returns it as the schema outputs it.
 * @param field the client's name for it
 * @throws {AppError} BAD_USER_INPUT, with the schema's message
 */
export function validInput(field: string, schema: z.ZodType<string>, value: string): string {
  const result = schema.safeParse(value);
  if (!result.success) throw badInput(field, result.error.issues[0]?.message ?? `${field} cannot be used`);
  return result.data;
}
