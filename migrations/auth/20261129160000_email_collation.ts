import { Migration } from '@mikro-orm/migrations';

/**
 * Email addresses compare in the same way on every server. With the database's own collation, a Turkish server treats
 * INFO@example.com and info@example.com as two addresses. The old index stays: processes of the version before name it
 * in ON CONFLICT, and serve until they are replaced.
 */
export default class EmailCollation extends Migration {
  override up(): void {
    this.addSql('CREATE UNIQUE INDEX users_address_key ON users (lower(email COLLATE "C"))');
  }

  override down(): void {
    this.addSql('DROP INDEX users_address_key');
  }
}
