import type { Operation } from '../../support/access-matrix.ts';

const nowhere = '00000000-0000-4000-8000-000000000000';
const writers = { scope: 'tenantMember', permission: 'documents:write' } as const;

/** The operations of the module. */
export const table: Readonly<Record<string, Operation>> = {
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
