import type { MigrationWarning } from '../../migrator/lint/lint.ts';
import { builder } from '../builder.ts';

const WarningSeverityRef = builder.enumType('WarningSeverity', {
  description: 'How much harm a statement can do to a table with rows.',
  values: {
    ERROR: { description: 'It fails, or nobody can read or write the table for as long as rewriting it takes.' },
    WARNING: {
      description: 'The table is locked for as long as reading it takes, or an older version of the code fails.',
    },
    INFO: { description: 'The table is locked for a moment.' },
  } as const,
});

/** The GraphQL type of a warning. */
export const MigrationWarningRef = builder.objectRef<MigrationWarning>('MigrationWarning').implement({
  description: 'A statement that can harm a table that has rows and is in use.',
  fields: (t) => ({
    rule: t.exposeString('rule', { description: 'Its name, such as require-concurrent-index-creation.' }),
    severity: t.field({ type: WarningSeverityRef, resolve: ({ severity }) => severity }),
    message: t.exposeString('message', {
      description: 'What is locked, rewritten or lost, and for how long in principle.',
    }),
    advice: t.exposeString('advice', { nullable: true, description: 'The safe way, with SQL where there is some.' }),
    line: t.exposeInt('line', {
      nullable: true,
      description: "The line of the file, from 1. Null if the file doesn't hold the statement literally.",
    }),
    statement: t.exposeString('statement', { nullable: true, description: 'The beginning of the statement.' }),
    allowedBecause: t.exposeString('allowedBecause', {
      nullable: true,
      description: 'The reason of the comment -- tenantry: allow RULE because REASON. Null if there is none.',
    }),
  }),
});
