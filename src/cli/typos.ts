/** Describes probable typos in `.env`, which would otherwise be ignored silently. */
export async function describeTypos(fileNames: readonly string[] = []): Promise<readonly string[]> {
  // The import loads all settings, which most commands do not need.
  if (fileNames.length === 0) return [];
  const { findTypos } = await import('../config/typos.ts');
  return findTypos(fileNames).map(({ name, meant }) => `Unknown setting ${name} in .env. Did you mean ${meant}?`);
}
