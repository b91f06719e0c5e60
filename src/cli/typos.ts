/** What to say of names in the file of settings that are misspelt, it seems; they would be passed over in silence. */
export async function describeTypos(fileNames: readonly string[] = []): Promise<readonly string[]> {
  // Without a file, most commands need not know the settings.
  if (fileNames.length === 0) return [];
  const { findTypos: findMisspelt } = await import('../config/typos.ts');
  return findMisspelt(fileNames).map(({ name, meant }) => `${name} in the file .env is no setting: is ${meant} meant?`);
}
