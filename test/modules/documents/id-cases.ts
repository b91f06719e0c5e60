import type { IdCase } from '../../support/foreign-ids.ts';

/** The arguments of the module that take an id. */
export const table: Readonly<Record<string, IdCase>> = {
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
