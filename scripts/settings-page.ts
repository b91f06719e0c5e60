import { settings } from '../src/config/settings.ts';

/** The text of `docs/settings.md`; `npx vitest run test/config/settings-page.unit.test.ts -u` writes it anew. */
export function settingsPage(): string {
  const rows = Object.entries(settings).map(([name, setting]) => {
    const fallback = 'default' in setting ? `\`${setting.default}\`` : setting.absent;
    return `| \`${name}\` | ${cell(fallback)} | ${cell(setting.meaning)} |`;
  });
  return `# Settings

Each is a variable of the environment, or a line in a file \`.env\`, which \`.env.example\` is made to be copied to; the environment goes before
the file. An empty variable counts as not set. All that is wrong is told at once, at every start and by \`tenantry doctor\`, and names in
the file that seem to be misspelt. This page is made from \`src/config/settings.ts\`. What belongs together, and what production demands, is said [elsewhere](deploying.md#the-installation).

| variable | default | meaning |
|---|---|---|
${rows.join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
