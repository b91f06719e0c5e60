import { badInput } from '../../lib/errors.ts';

/**
 * A validator of a value, such as a schema of zod, Valibot or ArkType.
 * @see https://standardschema.dev
 */
export interface StandardSchema {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    // The specification declares a method.
    validate(value: unknown): Result | Promise<Result>;
  };
}

type Result =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/**
 * Returns a value as its schema outputs it.
 * @param field the client's name for it
 * @throws {AppError} BAD_USER_INPUT with the schema's message
 */
export async function validate(field: string, schema: StandardSchema, value: unknown): Promise<unknown> {
  const result = await schema['~standard'].validate(value);
  if (!result.issues) return result.value;
  throw badInput(field, result.issues[0]?.message ?? `${field} cannot be used`);
}
