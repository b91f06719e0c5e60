import type { Session } from './session.ts';

const createUpload = `
  mutation CreateUpload($input: CreateUploadInput!) {
    createUpload(input: $input) { url file { id } }
  }
`;

/** Uploads a file that a person has chosen, and returns its id. */
export async function uploadFile(session: Session, file: File): Promise<string> {
  const input = { name: file.name, contentType: file.type, size: file.size };
  const { createUpload: upload } = await ask<{ createUpload: { url: string; file: { id: string } } }>(
    session,
    createUpload,
    { input },
  );
  // The URL is signed: send no token to it.
  const response = await fetch(new URL(upload.url, session.url), {
    method: 'PUT',
    headers: { 'content-type': file.type },
    body: file,
  });
  // Errors have the form of GraphQL's. After an interruption the same URL can be used again until it expires.
  if (!response.ok) throw new Error(((await response.json()) as Answer<never>).errors?.[0]?.message);
  return upload.file.id;
}

/** Returns a URL for a link or an image. It works for a few minutes, so ask for it when it is needed. */
export async function downloadUrl(session: Session, id: string): Promise<string> {
  const query = 'query FileUrl($id: ID!) { file(id: $id) { downloadUrl } }';
  const { file } = await ask<{ file: { downloadUrl: string | null } | null }>(session, query, { id });
  if (!file?.downloadUrl) throw new Error('The file was deleted or has not been uploaded yet');
  return new URL(file.downloadUrl, session.url).href;
}

interface Answer<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly { readonly message: string }[];
}

async function ask<Data>(session: Session, query: string, variables: object): Promise<Data> {
  const response = await session.fetch(session.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as Answer<Data>;
  if (!data) throw new Error(errors?.[0]?.message);
  return data;
}
