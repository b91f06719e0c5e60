import type { Operation } from '../../support/access-matrix.ts';
import type { IdCase } from '../../support/foreign-ids.ts';

const nowhere = '00000000-0000-4000-8000-000000000000';
const writers = { scope: 'tenantMember', permission: 'documents:write' } as const;

/** The operations on files and documents, for the matrix of access. */
export const documentOperations: Readonly<Record<string, Operation>> = {
  'Query.file': { text: `{ file(id: "${nowhere}") { name } }`, scope: 'tenantMember' },
  'Query.files': { text: '{ files { totalCount } }', scope: 'tenantMember' },
  'Query.fileUsage': { text: '{ fileUsage { files } }', scope: 'tenantMember' },
  'Query.document': { text: `{ document(id: "${nowhere}") { title } }`, scope: 'tenantMember' },
  'Query.documents': { text: '{ documents { totalCount } }', scope: 'tenantMember' },
  'Mutation.createUpload': {
    text: 'mutation { createUpload(input: { name: "a", contentType: "text/plain", size: 1 }) { url } }',
    ...writers,
  },
  'Mutation.updateFile': {
    text: `mutation { updateFile(id: "${nowhere}", input: { name: "a" }) { name } }`,
    ...writers,
    code: 'NOT_FOUND',
  },
  'Mutation.deleteFile': { text: `mutation { deleteFile(id: "${nowhere}") }`, ...writers },
  'Mutation.createDocument': {
    text: `mutation { createDocument(input: { title: "a", file: "${nowhere}" }) { id } }`,
    ...writers,
    code: 'BAD_USER_INPUT',
  },
  'Mutation.updateDocument': {
    text: `mutation { updateDocument(id: "${nowhere}", input: { title: "a" }) { id } }`,
    ...writers,
    code: 'NOT_FOUND',
  },
  'Mutation.deleteDocument': { text: `mutation { deleteDocument(id: "${nowhere}") }`, ...writers },
};

/** Their arguments that take an id. */
export const documentIds: Readonly<Record<string, IdCase>> = {
  'Query.file(id)': { text: '{ file(id: "$id") { name downloadUrl } }', of: ['file'], code: undefined },
  'Query.document(id)': { text: '{ document(id: "$id") { title } }', of: ['file'], code: undefined },
  'Mutation.updateFile(id)': {
    text: 'mutation { updateFile(id: "$id", input: { name: "a" }) { name } }',
    of: ['file'],
    code: 'NOT_FOUND',
  },
  'Mutation.deleteFile(id)': { text: 'mutation { deleteFile(id: "$id") }', of: ['file'], code: undefined },
  'Mutation.createDocument(input.file)': {
    text: 'mutation { createDocument(input: { title: "a", file: "$id" }) { id } }',
    of: ['file'],
    code: 'BAD_USER_INPUT',
  },
  'Mutation.updateDocument(id)': {
    text: 'mutation { updateDocument(id: "$id", input: { title: "a" }) { id } }',
    of: ['file'],
    code: 'NOT_FOUND',
  },
  'Mutation.updateDocument(input.file)': {
    text: 'mutation { updateDocument(id: "00000000-0000-4000-8000-000000000000", input: { file: "$id" }) { id } }',
    of: ['file'],
    code: 'NOT_FOUND',
  },
  'Mutation.deleteDocument(id)': { text: 'mutation { deleteDocument(id: "$id") }', of: ['file'], code: undefined },
};
