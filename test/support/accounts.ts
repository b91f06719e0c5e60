import { expect } from 'vitest';
import type { MemberRole } from '../../src/catalog/entities/membership.entity.ts';
import type { Answer, TestApp } from './start-app.ts';

/** Long enough for anybody. */
export const password = 'correct horse battery staple';

/** Somebody who has signed in. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  readonly refreshToken: string;
  readonly headers: Record<string, string>;
}

/** Anything that answers GraphQL requests. */
interface Front {
  ask(query: string, headers?: Record<string, string>): Promise<Answer>;
}

/** What a client asks for of somebody who signs in. */
export const payload = '{ token refreshToken expiresAt viewer { user { id email } tenant { slug } role } }';

export const registerText = (email: string, secret = password) =>
  `mutation { register(input: { email: "${email}", password: "${secret}", name: "Somebody" }) ${payload} }`;

export const loginText = (email: string, secret = password, tenant?: string) => {
  const place = tenant === undefined ? '' : `, tenant: "${tenant}"`;
  return `mutation { login(input: { email: "${email}", password: "${secret}"${place} }) ${payload} }`;
};

export const refreshText = (token: string) => `mutation { refreshToken(refreshToken: "${token}") ${payload} }`;

/** Makes an account through the API. */
export async function register(app: Front, email: string): Promise<Person> {
  return personOf(await app.ask(registerText(email)));
}

/** Signs in through the API. */
export async function login(app: Front, email: string, secret = password, tenant?: string): Promise<Person> {
  return personOf(await app.ask(loginText(email, secret, tenant)));
}

/** Makes an account, a member of a tenant, who is signed in there. */
export async function join(app: TestApp, email: string, tenant: string, role: MemberRole): Promise<Person> {
  await register(app, email);
  const input = `{ tenant: "${tenant}", email: "${email}", role: ${role} }`;
  const { errors } = await app.ask(`mutation { addMember(input: ${input}) { role } }`, app.admin);
  expect(errors).toBeUndefined();
  return login(app, email, password, tenant);
}

/** Who has signed in with this answer, which must be a good one. */
export function personOf({ data, errors }: Answer): Person {
  expect(errors).toBeUndefined();
  // What `payload` asks for, of the one field of the operation.
  const [answer] = Object.values(data ?? {}) as {
    token: string;
    refreshToken: string;
    viewer: { user: { id: string; email: string } };
  }[];
  if (!answer) expect.unreachable('nobody has signed in');
  const { token, refreshToken, viewer } = answer;
  return { ...viewer.user, token, refreshToken, headers: { authorization: `Bearer ${token}` } };
}

/** The code of the first error; undefined if all went well. */
export const codeOf = ({ errors }: Answer): string | undefined => errors?.[0]?.extensions.code;

/** An invitation as the invited person sees it. */
export interface OwnInvitation {
  readonly id: string;
  readonly token: string;
  readonly role: MemberRole;
  readonly email: string;
  readonly invitedBy: string | null;
  readonly tenant: { readonly slug: string; readonly name: string };
}

/** What somebody is invited to. */
export async function invitationsOf(app: Front, { headers }: Pick<Person, 'headers'>): Promise<OwnInvitation[]> {
  const fields = 'id token role email invitedBy tenant { slug name }';
  const { data, errors } = await app.ask(`{ viewer { invitations { ${fields} } } }`, headers);
  expect(errors).toBeUndefined();
  // What the query asks for.
  const { invitations } = (data?.viewer ?? {}) as { invitations: OwnInvitation[] };
  return invitations;
}

export const acceptText = (token: string) => `mutation { acceptInvitation(token: "${token}") ${payload} }`;

/** Accepts the invitation to a tenant, and is signed in there. */
export async function accept(app: Front, person: Person, tenant: string): Promise<Person> {
  const invitation = (await invitationsOf(app, person)).find(({ tenant: { slug } }) => slug === tenant);
  return personOf(await app.ask(acceptText(invitation?.token ?? ''), person.headers));
}
