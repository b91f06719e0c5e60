import { expect, it } from 'vitest';
import { frontendsPage } from '../../scripts/client-snippets.ts';

it('the page for frontends shows the files of docs/clients; after a change: npx vitest run test/docs/client-snippets.unit.test.ts -u', async () => {
  const page = await frontendsPage();
  expect(page.match(/^<!-- clients\//gm)).toHaveLength(8);
  await expect(page).toMatchFileSnapshot('../../docs/frontends.md');
});
