import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { isWebhookEventType, payloadSchema, webhookEvents, webhookEventTypes } from '../../src/webhooks/events.ts';

const page = readFileSync('docs/webhooks.md', 'utf8');

it('the page about webhooks describes every event, with the data that it has', () => {
  const rows = [...page.matchAll(/^\| `([a-z_]+\.[a-z_]+)` \| (.+) \| (.+) \|$/gm)].map((match) => match.slice(1));
  expect(rows).toEqual(
    webhookEventTypes.map((type) => {
      const { description, data } = webhookEvents[type];
      return [
        type,
        description,
        Object.keys(data.shape)
          .map((name) => `\`${name}\``)
          .join(', '),
      ];
    }),
  );
});

it('its examples fit the schemas of their events, and show every kind of data', () => {
  const examples = [...page.matchAll(/^\{"type".+$/gm)].map(([text]) => JSON.parse(text));
  for (const example of examples) {
    const { type } = example;
    expect(payloadSchema(isWebhookEventType(type) ? type : expect.unreachable(type)).parse(example)).toEqual(example);
  }
  const shown = new Set(examples.flatMap(({ data }) => Object.keys(data)));
  const all = new Set(webhookEventTypes.flatMap((type) => Object.keys(webhookEvents[type].data.shape)));
  expect(shown).toEqual(all);
});

it('it shows the program that runs', () => {
  const program = readFileSync('docs/webhooks/slack.ts', 'utf8');
  expect(page).toContain(`<!-- webhooks/slack.ts -->\n\`\`\`ts\n${program}\`\`\``);
});
