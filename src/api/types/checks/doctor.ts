import type { Finding } from '../../../doctor/recent-findings.ts';
import { MAX_PAGE } from '../../../orm/pagination.ts';
import { builder } from '../../builder.ts';

const FindingRef = builder.objectRef<Finding>('Finding').implement({
  description: 'A problem of the installation.',
  fields: (t) => ({
    message: t.exposeString('message'),
    remedy: t.exposeString('remedy', { description: 'What to do about it.' }),
    fixable: t.exposeBoolean('fixable', { description: 'Whether tenantry doctor --fix fixes it.' }),
  }),
});

builder.queryField('doctor', (t) =>
  t.field({
    type: [FindingRef],
    nullable: true,
    maxItems: MAX_PAGE,
    // A search connects to every tenant's database.
    cost: 1000,
    description: `What tenantry doctor finds; at most ${MAX_PAGE} problems. A server searches at most once a minute. While a long search goes on, the error SERVER_BUSY says when to ask again.`,
    authScopes: { platformAdmin: true },
    resolve: async (_root, _args, { services }) => (await services.doctor.read()).slice(0, MAX_PAGE),
  }),
);
