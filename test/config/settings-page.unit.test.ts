import { expect, it } from 'vitest';
import { settingsPage } from '../../scripts/settings-page.ts';

it('the page on settings is made from them; after a change: npx vitest run test/config/settings-page.unit.test.ts -u', async () => {
  await expect(settingsPage()).toMatchFileSnapshot('../../docs/settings.md');
});
