import { Migration } from '@mikro-orm/migrations';

/** A server can have a pooler for the requests of its tenants. Its URL is encrypted, as the server's is. */
export default class ServerPoolers extends Migration {
  override up(): void {
    this.addSql('ALTER TABLE servers ADD COLUMN pooler_url text');
  }

  override down(): void {
    this.addSql('ALTER TABLE servers DROP COLUMN pooler_url');
  }
}
