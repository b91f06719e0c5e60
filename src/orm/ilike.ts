/** Returns MikroORM's condition for texts that contain this one, ignoring case. */
export function containing(text: string): { readonly $ilike: string } {
  return { $ilike: `%${escapeLike(text)}%` };
}

/**
 * Escapes a text for the pattern of LIKE or ILIKE, so that it stands for itself.
 * @see https://www.postgresql.org/docs/current/functions-matching.html#FUNCTIONS-LIKE
 */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}
