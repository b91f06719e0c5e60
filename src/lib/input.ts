import { z } from 'zod';
import { badInput } from './errors.ts';

/** What people call somebody, or a tenant. */
export const nameSchema = z
  .string()
  .trim()
  .min(1, { error: 'A name is missing' })
  .max(200, { error: 'A name has at most 200 characters' })
  .refine(isPlainLine, {
    error: 'A name must be on one line, without control characters and characters that change the direction of text',
  });

/** Control characters, halves of surrogate pairs, line separators, and what changes the direction of the text after it. */
const hidden = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu;

/**
 * Whether a text is one line that shows all that it holds: no character that a terminal obeys, that makes a page show the
 * text in another order, or that cannot be stored. Whatever people call something must be.
 */
export function isPlainLine(text: string): boolean {
  return text.search(hidden) < 0;
}

/** A text with something else in the place of the characters that {@link isPlainLine} refuses, a run of them as one. */
export function replaceHidden(text: string, replacement: string): string {
  return text.replace(hidden, replacement);
}

/**
 * What a client has sent, as a schema has it.
 * @param field what the client calls it
 * @throws {AppError} BAD_USER_INPUT, with the schema's message
 */
export function validInput(field: string, schema: z.ZodType<string>, value: string): string {
  const result = schema.safeParse(value);
  if (!result.success) throw badInput(field, result.error.issues[0]?.message ?? `${field} cannot be used`);
  return result.data;
}
