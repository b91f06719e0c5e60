import { z } from 'zod';
import {
  badInput,
  builder,
  type Context,
  createField,
  deleteField,
  entityType,
  explainConstraint,
  type InputFields,
  type InputValues,
  isPlainLine,
  isUuid,
  listField,
  needs,
  oneField,
  readEntity,
  updateField,
} from '../../platform.ts';
import { createUpload, fileName, type Upload } from './create-upload.ts';
import { Document } from './document.entity.ts';
import { File } from './file.entity.ts';
import { downloadUrl } from './file-urls.ts';
import { type Usage, usageOf } from './file-usage.ts';
import { removeFile } from './remove-files.ts';

const relative = "It is relative to the server's address";

const FileType = entityType(File, {
  description: 'A file of the tenant.',
  fields: {
    id: { filter: true },
    name: { filter: true, order: true },
    contentType: { filter: true, order: true },
    size: { description: 'In bytes.', filter: true, order: true },
    status: { filter: true },
    sha256: { description: 'Of the content, in hexadecimal; null until the file is stored.', filter: true },
    createdAt: { filter: true, order: true },
    uploadedAt: { filter: true, order: true },
  },
});

builder.objectField(FileType.ref, 'downloadUrl', (t) =>
  t.string({
    nullable: true,
    description: `A URL that returns the content to everybody who has it, for a few minutes; null until the file is stored. ${relative}.`,
    extensions: needs(FileType, 'id', 'status'),
    resolve: ({ id, status }, _args, { tenant, moduleServices }) =>
      status === 'STORED' ? downloadUrl(moduleServices, { tenant: tenant.row.id, file: String(id) }) : null,
  }),
);

const DocumentType = entityType(Document, {
  description: 'What a file is about.',
  fields: {
    id: { filter: true },
    title: { filter: true, order: true },
    description: { filter: true },
    file: { filter: true },
    createdAt: { filter: true, order: true },
    updatedAt: { filter: true, order: true },
    version: { description: 'Send it with updateDocument, so that nobody overwrites the changes of others.' },
  },
});

const FileUpload = builder.objectRef<Upload>('FileUpload').implement({
  description: 'A file that can be uploaded now.',
  fields: (t) => ({
    file: t.field({
      type: FileType.ref,
      resolve: ({ file }, _args, context, info) => readEntity(FileType, context, info, file),
    }),
    url: t.exposeString('url', {
      description: `Accepts the content once, with PUT and the header content-type of the input. ${relative}.`,
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'The upload must have begun by then.' }),
  }),
});

const CreateUploadInput = builder.inputType('CreateUploadInput', {
  fields: (t) => ({
    name: t.string({ required: true, maxLength: 255, description: 'Such as report.pdf.' }),
    contentType: t.string({ required: true, maxLength: 201, description: 'Such as application/pdf.' }),
    size: t.field({ type: 'BigInt', required: true, description: 'In bytes.' }),
    sha256: t.string({ maxLength: 64, description: 'Refuses other content, such as that of a damaged transfer.' }),
  }),
});

const FileUsage = builder.objectRef<Usage>('FileUsage').implement({
  description: 'How much the tenant has stored.',
  fields: (t) => ({ files: t.exposeInt('files'), bytes: t.expose('bytes', { type: 'BigInt' }) }),
});

const line = (name: string) =>
  z
    .string()
    .trim()
    .refine((text) => text !== '' && text.length <= 200 && isPlainLine(text), {
      error: `The ${name} must have 1 to 200 characters, all on one line`,
    });

const documentInput: InputFields<Document> = {
  title: { maxLength: 200, schema: line('title') },
  description: {},
  file: { description: 'The id of a file that has been uploaded.' },
};

/** Only what is stored can be in a document. */
async function checkFile(values: InputValues<Document>, { tenant }: Context): Promise<InputValues<Document>> {
  if (values.file === undefined) return values;
  const id = String(values.file);
  const file = await tenant.em.fork().findOne(File, { id });
  if (!file) throw badInput('file', `There is no file ${id}`);
  if (file.status !== 'STORED') throw badInput('file', 'The file has not been uploaded yet');
  return values;
}

const members = { authScopes: { tenantMember: true } };
const writers = { authScopes: { permission: 'documents:write' } };
const documentWrites = { ...writers, input: documentInput, prepare: checkFile };

builder.queryFields((t) => ({
  file: oneField(t, FileType, members),
  files: listField(t, FileType, {
    ...members,
    description: "The tenant's files, newest first, with those that are not uploaded yet.",
    orderBy: { createdAt: 'DESC' },
  }),
  fileUsage: t.field({
    type: FileUsage,
    ...members,
    resolve: (_root, _args, { tenant }) => usageOf(tenant.em),
  }),
  document: oneField(t, DocumentType, members),
  documents: listField(t, DocumentType, {
    ...members,
    description: "The tenant's documents, newest first.",
    orderBy: { createdAt: 'DESC' },
  }),
}));

builder.mutationFields((t) => ({
  createUpload: t.field({
    type: FileUpload,
    description: 'Creates a file without content, and a URL for uploading the content.',
    ...writers,
    args: { input: t.arg({ type: CreateUploadInput, required: true }) },
    resolve: (_root, { input }, context) => createUpload(context, input),
  }),
  updateFile: updateField(t, FileType, { ...writers, input: { name: { maxLength: 255, schema: fileName } } }),
  deleteFile: t.boolean({
    description: 'Deletes a file with its content. Returns whether there was one.',
    ...writers,
    args: { id: t.arg.id({ required: true }) },
    resolve: (_root, { id }, context) => {
      if (!isUuid(id)) throw badInput('id', 'The id must be a UUID');
      return removeFile(context, id.toLowerCase());
    },
  }),
  createDocument: createField(t, DocumentType, documentWrites),
  updateDocument: updateField(t, DocumentType, documentWrites),
  deleteDocument: deleteField(t, DocumentType, { ...writers, description: 'Deletes a document, but not its file.' }),
}));

explainConstraint('documents_file_id_fkey', 'A document has this file, or there is no such file', 'file');
