/** MikroORM's condition for texts that have this one somewhere in them, whatever its letters' case. */
export function containing(text: string): { readonly $ilike: string } {
  return { $ilike: `%${text.replace(/[\\%_]/g, '\\$&')}%` };
}
