import { randomUUID } from 'node:crypto';
import { defineEntity, p } from '@mikro-orm/core';
import { File } from './file.entity.ts';

/** The table `documents` in each tenant's schema. */
export const DocumentSchema = defineEntity({
  name: 'Document',
  tableName: 'documents',
  schema: '*',
  indexes: [{ name: 'documents_created_at_idx', properties: ['createdAt', 'id'] }],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID())
      .defaultRaw('gen_random_uuid()'),
    title: p.text(),
    description: p.text().nullable(),
    file: () => p.manyToOne(File).ref().index('documents_file_id_idx'),
    createdAt: p.datetime(3).onCreate(() => new Date()),
    updatedAt: p
      .datetime(3)
      .onCreate(() => new Date())
      .onUpdate(() => new Date()),
    version: p.integer().version().default(1),
  },
});

/** What a file is about. */
export class Document extends DocumentSchema.class {}

DocumentSchema.setClass(Document);
