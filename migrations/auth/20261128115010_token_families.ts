import { Migration } from '@mikro-orm/migrations';

/**
 * Each refresh token carries the family of its session, so that a used token is recognised after its row was deleted. Only
 * tokens that are good, or were used in the last 30 seconds, need a row.
 */
export default class TokenFamilies extends Migration {
  override up(): void {
    this.addSql(`
      ALTER TABLE sessions
        ADD COLUMN family uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT sessions_family_key UNIQUE`);
    this.addSql(`COMMENT ON COLUMN sessions.family IS
      'The first half of each of its refresh tokens. It is not enough to refresh, but whoever knows it had one of them'`);
    this.addSql('ALTER TABLE refresh_tokens ADD COLUMN used_from text');
    this.addSql(`COMMENT ON COLUMN refresh_tokens.used_from IS
      'The network of the client that used it first, which may use it again for 30 seconds'`);
    this.addSql(`COMMENT ON TABLE refresh_tokens IS
      'The newest tokens of each session, as their SHA-256. A token is used once: if it comes again, somebody has stolen it'`);
  }

  override down(): void {
    this.addSql('ALTER TABLE refresh_tokens DROP COLUMN used_from');
    this.addSql('ALTER TABLE sessions DROP COLUMN family');
    this.addSql(`COMMENT ON TABLE refresh_tokens IS
      'Each token that a session was given, as its SHA-256. One is used once: if it comes again, somebody has stolen it'`);
  }
}
