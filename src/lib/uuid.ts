/** Whether a text is a UUID as PostgreSQL writes it; of any other text PostgreSQL would say that it cannot be one. */
export function isUuid(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}
