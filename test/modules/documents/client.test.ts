import { expect, it } from 'vitest';
import { downloadUrl, uploadFile } from '../../../docs/clients/files.ts';
import { Session } from '../../../docs/clients/session.ts';
import { FileLab } from './file-lab.ts';

it('the code of docs/frontends.md uploads and downloads a file', async () => {
  await using lab = await FileLab.start();
  const token = (await lab.app.tokenFor('acme')).authorization?.replace('Bearer ', '') ?? '';
  const session = new Session(lab.server.url, { token, refreshToken: '' });
  const id = await uploadFile(session, new File(['<svg/>'], 'drawing.svg', { type: 'image/svg+xml' }));
  const response = await fetch(await downloadUrl(session, id));
  expect(await response.text()).toBe('<svg/>');
  expect(response.headers.get('content-type')).toBe('image/svg+xml');
  await expect(uploadFile(session, new File([], 'empty', { type: 'image/png' }))).rejects.toThrow('at least 1 byte');
});
