import { Migration } from '@mikro-orm/migrations';

/** Users who sign in at an identity provider. */
export default class UserIdentities extends Migration {
  override up(): void {
    this.addSql(`
      CREATE TABLE user_identities (
        issuer text,
        subject text,
        user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        PRIMARY KEY (issuer, subject)
      )`);
    this.addSql(`COMMENT ON TABLE user_identities IS 'Which user a person of an identity provider is'`);
    this.addSql('CREATE INDEX user_identities_user_id_idx ON user_identities (user_id)');
    this.addSql('ALTER TABLE users ALTER COLUMN email DROP NOT NULL');
    this.addSql(`COMMENT ON COLUMN users.email IS 'NULL where an identity provider has told no verified address, or
      another user has it'`);
  }

  override down(): void {
    this.addSql('DROP TABLE user_identities');
    this.addSql('COMMENT ON COLUMN users.email IS NULL');
    this.addSql('UPDATE users SET email = id::text WHERE email IS NULL');
    this.addSql('ALTER TABLE users ALTER COLUMN email SET NOT NULL');
  }
}
