import { expect } from 'vitest';
import { eventually } from './eventually.ts';
import type { TestApp } from './start-app.ts';

/**
 * Clones a tenant, and waits until the clone is served.
 * @param more further fields of the input
 */
export async function cloneTenant(app: TestApp, tenant: string, slug: string, more = ''): Promise<void> {
  const ask = async (query: string) => {
    const { data, errors } = await app.ask(query, app.admin);
    expect(errors, query).toBeUndefined();
    return data ?? {};
  };
  const started = await ask(`mutation { cloneTenant(input: { tenant: "${tenant}", slug: "${slug}" ${more} }) { id } }`);
  const { id } = started.cloneTenant as { id: string };
  const ended = await eventually('the clone is made', async () => {
    const { tenantTransfer } = await ask(`{ tenantTransfer(id: "${id}") { status endedAt error } }`);
    const found = tenantTransfer as { status: string; endedAt: string | null };
    return found.endedAt !== null && found;
  });
  expect(ended).toMatchObject({ status: 'SUCCEEDED', error: null });
}
