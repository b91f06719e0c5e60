import { settings } from '../src/config/settings.ts';

/** Returns the text of `docs/settings.md`. `npx vitest run test/config/settings-page.unit.test.ts -u` writes the file. */
export function settingsPage(): string {
  const rows = Object.entries(settings).map(([name, setting]) => {
    const fallback = 'default' in setting ? `\`${setting.default}\`` : setting.absent;
    return `| \`${name}\` | ${cell(fallback)} | ${cell(setting.meaning)} |`;
  });
  return `# Settings

Each setting is an environment variable or a line in \`.env\`; copy \`.env.example\` to start one. The environment takes precedence. An empty
variable counts as not set. Every start and \`tenantry doctor\` report all problems at once, including names in \`.env\` that look misspelt.
[For operators](operators.md#run-the-installation) and [security](security.md#in-production) describe which settings production needs.
\`src/config/settings.ts\` is the source of this page.

| variable | default | meaning |
|---|---|---|
${rows.join('\n')}
`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
