import { tooMuch } from '../errors.ts';

/** The maximum number of values in a request's JSON, nested ones included. */
const MAX_VALUES = 10_000;

const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const backslash = 0x5c;
const openBrace = 0x7b;

/**
 * Parses the JSON of a request. Small values are counted before, since parsing a megabyte of them takes up to 0.1
 * seconds, and they take many times more memory than their JSON for as long as the operation waits and runs.
 * @throws {GraphQLError} BAD_USER_INPUT if it has too many values
 * @throws {SyntaxError}
 */
export function parseRequestJson(json: string): unknown {
  if (hasTooManyValues(json)) {
    throw tooMuch(`The request has more values than the limit of ${MAX_VALUES}. Split it into several requests.`);
  }
  return JSON.parse(json);
}

/** Whether a JSON text, which may be invalid, has more values than the limit. */
export function hasTooManyValues(json: string): boolean {
  // Every value but the first follows a comma or an opening bracket.
  let count = 1;
  let isInString = false;
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at);
    if (isInString) {
      if (code === backslash) at += 1;
      else if (code === quote) isInString = false;
    } else if (code === quote) {
      isInString = true;
    } else if (code === comma || code === openBracket || code === openBrace) {
      count += 1;
      if (count > MAX_VALUES) return true;
    }
  }
  return false;
}
