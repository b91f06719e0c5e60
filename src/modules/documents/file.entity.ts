import { randomUUID } from 'node:crypto';
import { defineEntity, p } from '@mikro-orm/core';

/** The table `files` in each tenant's schema. The bytes are in the store, under a key of the tenant's id and the file's. */
export const FileSchema = defineEntity({
  name: 'File',
  tableName: 'files',
  schema: '*',
  indexes: [
    { name: 'files_created_at_idx', properties: ['createdAt', 'id'] },
    { name: 'files_status_idx', properties: ['status', 'uploadDeadline'] },
  ],
  properties: {
    id: p
      .uuid()
      .primary()
      .onCreate(() => randomUUID())
      .defaultRaw('gen_random_uuid()'),
    /** What people call it. The store never sees it. */
    name: p.text(),
    contentType: p.text(),
    /** In bytes. */
    size: p.bigint('number').check('size > 0'),
    status: p.enum(['PENDING', 'UPLOADING', 'STORED']),
    /** Of the content, in hexadecimal; null until it is stored. */
    sha256: p.text().nullable(),
    createdAt: p.datetime(3).defaultRaw('now()'),
    uploadedAt: p.datetime(3).nullable(),
    /** When the upload is given up, if it has not ended before. */
    uploadDeadline: p.datetime(3),
  },
});

/** A file that a member has uploaded or is going to upload. */
export class File extends FileSchema.class {}

FileSchema.setClass(File);

/** The table `removed_files`: files whose rows are deleted, and whose bytes are not deleted from the store yet. */
export const RemovedFileSchema = defineEntity({
  name: 'RemovedFile',
  tableName: 'removed_files',
  schema: '*',
  properties: {
    id: p.uuid().primary(),
    removedAt: p.datetime(3).defaultRaw('now()'),
  },
});

/** A deleted file whose bytes may still be in the store. */
export class RemovedFile extends RemovedFileSchema.class {}

RemovedFileSchema.setClass(RemovedFile);
