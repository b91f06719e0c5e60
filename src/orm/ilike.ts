/** Returns MikroORM's condition for texts that contain this one, ignoring case. */
export function containing(text: string): { readonly $ilike: string } {
  return { $ilike: `%${text.replace(/[\\%_]/g, '\\$&')}%` };
}
