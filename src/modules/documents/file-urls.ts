import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { AppError, type ModuleServices } from '../../platform.ts';

/** The path of files. */
export const PREFIX = '/files/';

/** A file of a tenant. Both are ids. */
export interface TenantFile {
  readonly tenant: string;
  readonly file: string;
}

/** What may be uploaded with a URL. */
export interface UploadGrant extends TenantFile {
  /** In bytes. */
  readonly size: number;
  readonly type: string;
  /** The hash that the content must have, in hexadecimal; undefined if it is not known before. */
  readonly sha256?: string | undefined;
}

const fileClaims = z.object({ tenant: z.uuid(), file: z.uuid() });
const uploadClaims = fileClaims.extend({
  size: z.int().positive(),
  type: z.string(),
  sha256: z.string().optional(),
});

/** The longest token; a signed one is far shorter. */
const MAX_TOKEN = 2_000;

type Method = 'GET' | 'PUT';

/** Creates the URL that lets its bearer download a file. It is relative to the address of the server. */
export function downloadUrl(services: ModuleServices, { tenant, file }: TenantFile): Promise<string> {
  return sign(services, 'GET', { tenant, file }, expiry(services));
}

/** Creates the URL that lets its bearer upload a file once. It is relative to the address of the server. */
export async function uploadUrl(services: ModuleServices, grant: UploadGrant, expiresAt: Date): Promise<string> {
  return sign(services, 'PUT', { ...grant }, expiresAt);
}

/** When a URL that is created now expires. */
export function expiry({ files }: ModuleServices): Date {
  return new Date(Date.now() + files.urlSeconds * 1000);
}

/** Reads what a token grants. @throws {AppError} FORBIDDEN */
export async function verifyDownload(services: ModuleServices, token: string): Promise<TenantFile> {
  return fileClaims.parse(await verify(services, 'GET', token));
}

/** Reads what a token grants. @throws {AppError} FORBIDDEN */
export async function verifyUpload(
  services: ModuleServices,
  token: string,
): Promise<UploadGrant & { expiresAt: Date }> {
  const claims = await verify(services, 'PUT', token);
  return { ...uploadClaims.parse(claims), expiresAt: new Date((claims.exp ?? 0) * 1000) };
}

async function sign(services: ModuleServices, method: Method, claims: JWTPayload, expiresAt: Date): Promise<string> {
  const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setAudience(method).setExpirationTime(expiresAt);
  return PREFIX + (await jwt.sign(keyOf(services)));
}

async function verify(services: ModuleServices, method: Method, token: string): Promise<JWTPayload> {
  if (token.length > MAX_TOKEN) throw invalid();
  try {
    const options = { algorithms: ['HS256'], audience: method, requiredClaims: ['exp'] };
    return (await jwtVerify(token, keyOf(services), options)).payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw expired();
    if (error instanceof errors.JOSEError) throw invalid();
    throw error;
  }
}

function keyOf(services: ModuleServices): Uint8Array {
  return services.deriveKey('documents.file-urls');
}

function expired(): AppError {
  return new AppError('FORBIDDEN', 'This URL has expired. Ask for a new one.', { details: { http: { status: 410 } } });
}

function invalid(): AppError {
  return new AppError('FORBIDDEN', 'This URL is not valid for this method, or was changed. Ask for a new one.');
}
