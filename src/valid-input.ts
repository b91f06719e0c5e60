import { z } from 'zod';
import { badInput } from './errors.ts';

/** What people call somebody, or a tenant. */
export const nameSchema = z
  .string()
  .trim()
  .min(1, { error: 'A name is missing' })
  .max(200, { error: 'A name has at most 200 characters' })
  // PostgreSQL's texts cannot hold it.
  .refine((name) => !name.includes('\0'), { error: 'A name must not have a zero byte' });

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
